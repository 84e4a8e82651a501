//! ratchet.json: conversations, played as they are written.

use std::collections::HashMap;

use plico_endpoint::primitives::dh::HintSecret;
use plico_endpoint::session::{BusinessSession, OpenError, Opened, PersonSession};
use plico_protocol::envelope::Envelope;
use plico_protocol::mac::sha256;
use serde_json::Value;

use super::sessions::{envelope, group_array, open_at_inbox, recipient};
use super::{Case, Given, Vectors, hex, list, number, text, unhex};

#[test]
fn conversations_go_as_written() {
    Vectors::read("ratchet").check(|_, case| {
        let mut table = Table::of(case);
        for (at, step) in list(&case.test["steps"]).iter().enumerate() {
            table.play(step, &format!("{case}, step {at}: {}", step["op"]));
        }
        assert_eq!(hex(&table.person.to_bytes()), case.test["personStateAfter"], "{case}");
        assert_eq!(hex(&table.business.to_bytes()), case.test["businessStateAfter"], "{case}");
        true
    });
}

/// Both ends, and what lies between them.
struct Table {
    person: PersonSession,
    business: BusinessSession,
    hint: HintSecret,
    hint_key: [u8; 32],
    messages: HashMap<String, Envelope>,
}

impl Table {
    fn of(case: Case<'_>) -> Self {
        Self {
            person: PersonSession::from_bytes(&case.bytes("personState")).unwrap(),
            business: BusinessSession::from_bytes(&case.bytes("businessState")).unwrap(),
            hint: HintSecret::new(group_array(case.group, "hintPrivate")),
            hint_key: group_array(case.group, "hintKey"),
            messages: HashMap::new(),
        }
    }

    fn play(&mut self, step: &Value, place: &str) {
        match text(&step["op"]) {
            "send" => {
                let sent = self.send(step, &unhex(&step["content"])).expect(place);
                assert_eq!(hex(sent.bytes()), step["envelope"], "{place}");
                self.messages.insert(text(&step["message"]).to_owned(), sent);
            }
            "refuse" => assert!(self.send(step, b"").is_none(), "{place}"),
            "receive" => self.receive(step, place),
            "load" => self.load(step),
            "forge" => return self.forge(step),
            other => panic!("{place}: a new operation: {other}"),
        }
        assert_eq!(hex(&sha256(&[&self.state(step)])), step["stateSha256"], "{place}");
    }

    fn by_person(step: &Value) -> bool {
        text(&step["by"]) == "person"
    }

    fn state(&self, step: &Value) -> Vec<u8> {
        match Self::by_person(step) {
            true => self.person.to_bytes().to_vec(),
            false => self.business.to_bytes().to_vec(),
        }
    }

    fn send(&mut self, step: &Value, content: &[u8]) -> Option<Envelope> {
        let mut rng = Given(unhex(&step["random"]));
        let sent = if Self::by_person(step) {
            let recipient = recipient(self.person.account(), self.hint_key);
            self.person.seal_to_inbox(&recipient, content, &mut rng).ok()?
        } else {
            self.business.seal_to_mailbox(content, &mut rng).ok()?
        };
        rng.finish();
        Some(sent)
    }

    fn receive(&mut self, step: &Value, place: &str) {
        let sent = self.messages[text(&step["message"])].clone();
        let opened = if Self::by_person(step) {
            self.person.open(&sent)
        } else {
            open_at_inbox(&mut self.business, &self.hint, &sent)
        };
        let outcome = match &opened {
            Ok(_) => "opened",
            Err(OpenError::Duplicate) => "duplicate",
            Err(OpenError::Unreadable) => "unreadable",
        };
        assert_eq!(outcome, step["outcome"], "{place}");
        let content = opened.as_ref().map_or(&[][..], Opened::content);
        let key = opened.as_ref().map_or(&[][..], |opened| opened.franking_key().expose_secret());
        assert_eq!(hex(content), step["content"], "{place}");
        assert_eq!(hex(key), step["kF"], "{place}");
    }

    fn load(&mut self, step: &Value) {
        let state = unhex(&step["state"]);
        match Self::by_person(step) {
            true => self.person = PersonSession::from_bytes(&state).unwrap(),
            false => self.business = BusinessSession::from_bytes(&state).unwrap(),
        }
    }

    fn forge(&mut self, step: &Value) {
        let mut bytes = self.messages[text(&step["of"])].bytes().to_vec();
        let at = usize::try_from(number(&step["offset"])).unwrap();
        bytes[at] ^= u8::try_from(number(&step["mask"])).unwrap();
        self.messages.insert(text(&step["message"]).to_owned(), envelope(bytes).unwrap());
    }
}
