//! What waits when its person blocks.

use plico_endpoint::content::{Body, Reply};
use tokio::sync::mpsc;

use super::*;
use crate::agent::lines::Lines;
use crate::person::sending::BY_ITSELF;

impl Place {
    /// A ticket for a message.
    fn ticket(&mut self) -> Reply {
        self.check(|_| ()).unwrap();
        let (ticket, opening) = self.talk().ticket.take().unwrap();
        Reply { address: self.talk().record.address(), ticket, opening }
    }

    /// A change of terms that was carried out, and waits to be told.
    fn change_of_terms(&mut self) {
        let reply = self.ticket();
        self.talk().record.reply = Some((reply.ticket, reply.opening));
        let mut content = Message::from(Body::Renewal).into_content(self.core.now());
        content.reply = Some(reply);
        let bytes = content.encode().unwrap().into();
        self.core.queue(PEER, content.id, BY_ITSELF, bytes).unwrap();
    }

    /// Does with what waits what can be done without a relay.
    fn prepare(&mut self) {
        let (reports, _kept) = mpsc::channel(1);
        let mut lines = Lines::new(Options::default(), reports);
        self.core.prepare_waiting(&mut lines).unwrap();
    }

    /// Of each message that waits, whether it goes out with a ticket made for it.
    fn needs_ticket(&mut self) -> Vec<bool> {
        let open = self.core.outbox.open(PEER);
        let all = self.core.state.read(|rows| Outbox::get_all(rows, &open)).unwrap();
        let record = &self.talk().record;
        let needs = |outgoing: &Outgoing| {
            record.needs_ticket(outgoing, &Content::decode(&outgoing.content).unwrap())
        };
        all.iter().map(needs).collect()
    }

    fn wish(&mut self, wish: Wish) {
        self.core.wish(PEER, vec![wish]).unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_change_of_terms_that_was_taken_back_is_not_told() {
    let mut place = Place::new();
    place.change_of_terms();
    place.talk().retry_at = Timestamp(u64::MAX);
    place.prepare();
    assert_eq!(place.core.outbox.open(PEER).len(), 1);
    place.wish(Wish::Revoke);
    place.core.wish_done(PEER, Wish::Revoke, None).unwrap();
    place.talk().retry_at = Timestamp(0);
    place.prepare();
    assert_eq!(place.core.outbox.open(PEER).len(), 0);
    assert_eq!(place.core.history(PEER, None, 9).unwrap().len(), 0);
}

#[test]
fn what_waits_under_a_block_opens_no_window_until_its_person_acts() {
    let mut place = Place::new();
    let send = |place: &mut Place, message: Message| {
        place.core.send(PEER, message).unwrap().unwrap();
        place.needs_ticket()
    };
    let reaction = || Message::reaction(ContentId::new([7; 16]), "👎");
    place.talk().record.started = Started::Yes;
    assert_eq!(send(&mut place, "before".into()), [true]);
    place.wish(Wish::Revoke);
    assert_eq!(send(&mut place, reaction()), [false, false], "nobody composes a reaction");
    place.talk().record.started = Started::No;
    assert_eq!(place.needs_ticket(), [true, true], "whichever begins a session");
    place.talk().record.started = Started::Yes;
    assert_eq!(send(&mut place, "after".into()), [true, false, true]);
    for allowing in [Wish::Change, Wish::Standing] {
        place.wish(Wish::Revoke);
        assert_eq!(place.needs_ticket(), [false, false, false]);
        place.wish(allowing(ConsentTerms::default()));
        assert_eq!(place.needs_ticket(), [true, false, true]);
    }
}

#[test]
fn under_a_block_a_ticket_that_goes_out_is_revoked_and_not_kept() {
    let mut place = Place::new();
    let given = |place: &mut Place| {
        let Reply { ticket, opening, .. } = place.ticket();
        let record = &mut place.talk().record;
        (record.give((ticket, opening)), record.reply.is_some(), record.is_revoking())
    };
    assert_eq!(given(&mut place), (true, true, false));
    place.wish(Wish::Revoke);
    place.core.wish_done(PEER, Wish::Revoke, None).unwrap();
    assert_eq!(given(&mut place), (false, false, true));
}
