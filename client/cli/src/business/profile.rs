//! `profile`: what the business says of itself to everyone who has its link, and a status that
//! lasts a day. Signed and public; a line of the command changes what it names and keeps the rest.

use std::path::PathBuf;

use clap::Args;
use jiff::tz::TimeZone;
use plico_client::limits::{
    PROFILE_DESCRIPTION_BYTES_MAX, PROFILE_HOURS_BYTES_MAX, PROFILE_SITE_BYTES_MAX,
};
use plico_client::{About, Business, Logo, ProfileDraft, ProfileError};
use serde::{Deserialize, Serialize};

use super::desk::{Answer, Request};
use super::socket::other_release;
use super::told::minute_time;
use super::{ask, dates, read};
use crate::failure::{Failure, Status};
use crate::place::Place;
use crate::text::clean_text;
use crate::{Options, say};

#[derive(Debug, Args)]
pub(crate) struct Profile {
    /// A TOML file with any of description, hours, site, logo (a file's name) and status.
    file: Option<PathBuf>,
    /// What the business does, in some lines; "" takes it back, here and below.
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// When it answers, in some lines.
    #[arg(long, value_name = "TEXT")]
    hours: Option<String>,
    /// An https address.
    #[arg(long, value_name = "ADDRESS")]
    site: Option<String>,
    /// A PNG of at most 256 × 256 pixels and 5 KiB.
    #[arg(long, value_name = "FILE")]
    logo: Option<PathBuf>,
    /// One line for everyone, for 24 hours.
    #[arg(long, value_name = "TEXT")]
    status: Option<String>,
    /// Only shows it; so does the command without any option.
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    place: Place,
}

/// What is to change: nothing where there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Change {
    description: Option<String>,
    hours: Option<String>,
    site: Option<String>,
    /// The bytes of a PNG; none of them takes the logo back.
    logo: Option<Vec<u8>>,
    status: Option<String>,
}

/// The same as a file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    description: Option<String>,
    hours: Option<String>,
    site: Option<String>,
    logo: Option<PathBuf>,
    status: Option<String>,
}

/// What it says now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    description: String,
    hours: String,
    site: String,
    logo_bytes: usize,
    /// The line, and its end in RFC 3339.
    status: Option<(String, Option<String>)>,
}

impl Profile {
    pub(super) async fn run(self, options: &Options) -> Result<(), Failure> {
        let change = self.change()?;
        let changes = change != Change::default() && !self.show;
        let request = Request::Profile { change: changes.then_some(change) };
        let Answer::Profile(shown) = ask(&self.place, request, options).await? else {
            return Err(other_release());
        };
        describe(&shown);
        if changes {
            say("published  with the next connection of `serve`, or at once where it is connected");
        }
        Ok(())
    }

    /// What the file and the options ask for; options go before the file.
    fn change(&self) -> Result<Change, Failure> {
        let file = match &self.file {
            Some(path) => toml::from_str::<File>(&read(path)?).map_err(|error| {
                let what = format!("{} is not in order.", path.display());
                let next = "It may hold description, hours, site, logo and status.";
                Failure::new(Status::Usage, what, error.to_string(), next)
            })?,
            None => File::default(),
        };
        let or = |option: &Option<String>, file: Option<String>| option.clone().or(file);
        let logo = self.logo.clone().or(file.logo);
        let logo = logo.map(|path| match path.as_os_str().is_empty() {
            true => Ok(Vec::new()),
            false => std::fs::read(&path).map_err(|error| {
                Failure::file(format!("{} cannot be read.", path.display()), &error)
            }),
        });
        Ok(Change {
            description: or(&self.description, file.description),
            hours: or(&self.hours, file.hours),
            site: or(&self.site, file.site),
            logo: logo.transpose()?,
            status: or(&self.status, file.status),
        })
    }
}

/// Changes what is to change, and says what the profile is then.
pub(super) async fn carry_out(
    business: &Business,
    change: Option<Change>,
) -> Result<Shown, Failure> {
    let about = business.profile().await?.unwrap_or_default();
    let Some(Change { description, hours, site, logo, status }) = change else {
        return Ok(Shown::of(&about));
    };
    let is_draft = description.is_some() || hours.is_some() || site.is_some() || logo.is_some();
    let mut draft = ProfileDraft::from(about);
    draft.description = description.unwrap_or(draft.description);
    draft.hours = hours.unwrap_or(draft.hours);
    draft.site = site.unwrap_or(draft.site);
    if let Some(png) = logo {
        draft.logo = match png.as_slice() {
            [] => None,
            png => Some(Logo::from_png(png).map_err(|error| {
                Failure::of_sdk(Status::Usage, "The logo cannot be used.", &error)
            })?),
        };
    }
    check_lengths(&draft)?;
    if is_draft {
        business.publish_profile(draft).await.map_err(refused)?;
    }
    if let Some(text) = &status {
        let text = Some(text.as_str()).filter(|text| !text.is_empty());
        business.set_status(text).await.map_err(refused)?;
    }
    Ok(Shown::of(&business.profile().await?.unwrap_or_default()))
}

/// Says how much is too much.
fn check_lengths(draft: &ProfileDraft) -> Result<(), Failure> {
    let texts = [
        ("description", draft.description.len(), PROFILE_DESCRIPTION_BYTES_MAX),
        ("hours", draft.hours.len(), PROFILE_HOURS_BYTES_MAX),
        ("site", draft.site.len(), PROFILE_SITE_BYTES_MAX),
    ];
    let over = texts.into_iter().find(|(_, bytes, most)| most < bytes);
    over.map_or(Ok(()), |(name, bytes, most)| {
        let what = format!("`{name}` is {} bytes too long.", bytes - most);
        let why = format!("It has {bytes} bytes; at most {most} are allowed.");
        Err(Failure::new(Status::Usage, what, why, "Shorten it; nothing was changed."))
    })
}

fn refused(error: ProfileError) -> Failure {
    match error {
        ProfileError::Stopped(error) => error.into(),
        error => Failure::of_sdk(Status::Usage, "The profile was not changed.", &error),
    }
}

impl Shown {
    fn of(about: &About) -> Self {
        Self {
            description: about.description.clone(),
            hours: about.hours.clone(),
            site: about.site.clone(),
            logo_bytes: about.logo.as_ref().map_or(0, |logo| logo.png().len()),
            status: about
                .status
                .as_ref()
                .map(|status| (status.text.clone(), minute_time(status.until.0))),
        }
    }
}

fn describe(shown: &Shown) {
    let Shown { description, hours, site, logo_bytes, status } = shown;
    let none = |text: &str| match text {
        "" => "none".to_owned(),
        text => clean_text(text).replace('\n', "\n             "),
    };
    let logo = match logo_bytes {
        0 => "none".to_owned(),
        bytes => format!("{bytes} bytes"),
    };
    let status = status.as_ref().map_or_else(
        || "none".to_owned(),
        |(text, until)| {
            let until = until.as_deref().map(|until| dates::local(until, &TimeZone::system()));
            format!("{} (until {})", clean_text(text), until.unwrap_or_default())
        },
    );
    say(format_args!("description  {}", none(description)));
    say(format_args!("hours        {}", none(hours)));
    say(format_args!("site         {}", none(site)));
    say(format_args!("logo         {logo}"));
    say(format_args!("status       {status}"));
}
