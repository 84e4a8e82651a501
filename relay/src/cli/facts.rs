//! What a request or a certificate states, as the operator reads it: a column of words and facts,
//! the same before signing and after.

use plico_protocol::certificate::{
    CertificateBody, CertificateRequest, DomainCheck, display_name, domain,
};
use plico_protocol::link::Pin;
use plico_protocol::mac::sha256;
use plico_protocol::ticket::Category;

use super::say;
use crate::clock::rfc3339_hour;

/// Says what a request asks for, and what stands against it. Nothing here was checked by anybody:
/// names are quoted, so that control characters cannot dress them up.
pub(super) fn say_request(request: &CertificateRequest) {
    let CertificateRequest { handle, display_name, domain, keys, .. } = request;
    say(format_args!("handle       {handle}"));
    say(format_args!("name         {display_name:?}"));
    say(format_args!("domain       {domain:?}"));
    say(format_args!("account key  {} (as `key` in its links)", Pin::of_account(&keys.account)));
    say(format_args!("identity key {}", fingerprint(keys.identity.as_bytes())));
    say(format_args!("hint key     {}", fingerprint(keys.hint.as_bytes())));
    say(format_args!("inbox key    {}", fingerprint(keys.inbox.as_bytes())));
    say("signed by    its account key and its inbox key");
    if let Err(problem) = display_name::check(display_name) {
        say(format_args!("problem      {problem}; agree on another and pass it with --name"));
    }
    if let Err(problem) = domain::check(domain) {
        say(format_args!("problem      {problem}; pass the right one with --domain"));
    }
}

/// Says what a certificate states.
pub(super) fn say_certificate(body: &CertificateBody) {
    let CertificateBody { serial, handle, display_name, domain, domain_check, .. } = body;
    say(format_args!("serial       {}", serial.0));
    say(format_args!("handle       {handle}"));
    say(format_args!("name         {display_name}"));
    say(format_args!("domain       {domain} (checked by {})", checked(*domain_check)));
    say(format_args!("may send     {}", categories(body).join(", ")));
    let (from, to) = (rfc3339_hour(body.valid_from), rfc3339_hour(body.valid_to));
    say(format_args!("valid        {from} to {to}"));
    say(format_args!("account key  {}", Pin::of_account(&body.keys.account)));
}

/// The categories a certificate allows, by name.
pub(super) fn categories(body: &CertificateBody) -> Vec<&'static str> {
    body.categories.iter().map(Category::name).collect()
}

/// How a domain was checked, in a word or two.
pub(super) fn checked(domain_check: DomainCheck) -> &'static str {
    match domain_check {
        DomainCheck::Dns => "DNS record",
        DomainCheck::Website => "website",
        DomainCheck::Document => "documents",
    }
}

/// SHA-256 of a public key's bytes, in hexadecimal.
fn fingerprint(key: &[u8; 32]) -> String {
    sha256(&[key]).iter().map(|byte| format!("{byte:02x}")).collect()
}
