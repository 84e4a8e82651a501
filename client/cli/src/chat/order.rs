//! What a line that a person typed means.

use plico_client::{ConsentTerms, Evidence};

use super::consent;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Send these words.
    Say(String),
    /// Take the choice of this number, from 1, of the open question.
    Answer(usize),
    /// React to the business's last message; empty takes the reaction back.
    React(String),
    /// Be called this.
    Name(String),
    /// Trust the business's new key.
    Agree,
    /// Allow this and nothing else, asked or not.
    Allow(ConsentTerms),
    /// Allow answers alone.
    Mute,
    /// End every consent; report the last message first.
    Block {
        spam: bool,
    },
    /// Report the last message.
    Report(Evidence),
    /// Show what is allowed, and until when the business may answer.
    Window,
    /// Say goodbye and close the mailbox.
    Goodbye,
    /// What commands there are, or what one of them does.
    Help(&'static str),
    Quit,
    /// Nothing was typed.
    Nothing,
    /// A command that is none, or lacks what it needs.
    Wrong(String),
}

/// Reads a line. A number alone answers an open question with that many choices.
pub(super) fn read(line: &str, choices: Option<usize>) -> Order {
    let line = line.trim();
    let number = line.parse::<usize>().ok();
    if let (Some(number), Some(choices)) = (number, choices)
        && (1..=choices).contains(&number)
    {
        return Order::Answer(number);
    }
    match line.strip_prefix('/') {
        None if line.is_empty() => Order::Nothing,
        None => Order::Say(line.to_owned()),
        // Words that begin with a slash.
        Some(rest) if rest.starts_with('/') => Order::Say(rest.to_owned()),
        Some(rest) => command(rest),
    }
}

fn command(text: &str) -> Order {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim().to_owned();
    match (name, rest.as_str()) {
        ("answer", number) => match number.parse() {
            Ok(number) => Order::Answer(number),
            Err(_) => Order::Wrong("/answer needs the number of a choice".to_owned()),
        },
        ("react", _) => Order::React(rest),
        ("name", "") => Order::Wrong("/name needs a name".to_owned()),
        ("name", _) => Order::Name(rest),
        ("agree", _) => Order::Agree,
        ("allow", text) => match consent::terms(text) {
            Ok(terms) => Order::Allow(terms),
            Err(why) => Order::Wrong(why),
        },
        ("mute", "") => Order::Mute,
        ("block", "") => Order::Block { spam: false },
        ("block", "spam") => Order::Block { spam: true },
        ("report", "") => Order::Report(Evidence::Content),
        ("report", "silent") => Order::Report(Evidence::Nothing),
        ("window", "") => Order::Window,
        ("goodbye", "yes") => Order::Goodbye,
        ("goodbye", "") => Order::Wrong(
            "/goodbye ends this conversation for good; write /goodbye yes to do so".to_owned(),
        ),
        ("goodbye", _) => Order::Wrong("/goodbye takes nothing but yes".to_owned()),
        ("help" | "?", command) => {
            Order::Help(consent::help(command.trim_start_matches('/')).unwrap_or(HELP))
        }
        ("quit" | "q" | "exit", _) => Order::Quit,
        (name, _) if consent::help(name).is_some() => {
            Order::Wrong(format!("/{name} does not take that; /help {name} shows how"))
        }
        _ => Order::Wrong(format!("/{name} is no command; /help lists them")),
    }
}

/// What `/help` shows.
const HELP: &str = "\
1, 2, …      answers an open question; so does /answer 1
/react 👍    reacts to the last message; /react alone takes it back
/name NAME   tells the business how to call you
/window      until when the business may answer, and what it may send
/allow       what it may send, asked or not; /help allow shows how to choose
/mute        answers only, no notifications
/block       nothing more; /block spam reports the last message too
/report      reports the last message to the relay's operator
/goodbye yes ends the conversation for good
/agree       trusts the business's new key, after it changed
//text       says text that begins with a slash
/quit        leaves; what is stored goes out next time (also Ctrl-C)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_help_says() {
        let check = |line: &str, choices, order| assert_eq!(read(line, choices), order, "{line}");
        check("  hello ", None, Order::Say("hello".into()));
        check("2", Some(2), Order::Answer(2));
        check("3", Some(2), Order::Say("3".into()));
        check("0", Some(2), Order::Say("0".into()));
        check("2", None, Order::Say("2".into()));
        check("/answer 1", None, Order::Answer(1));
        check("//etc", None, Order::Say("/etc".into()));
        check("/react 👍", None, Order::React("👍".into()));
        check("/name Anna B", None, Order::Name("Anna B".into()));
        check("/allow", None, Order::Allow(ConsentTerms::default()));
        check("/mute", None, Order::Mute);
        check("/block", None, Order::Block { spam: false });
        check("/block spam", None, Order::Block { spam: true });
        check("/report", None, Order::Report(Evidence::Content));
        check("/report silent", None, Order::Report(Evidence::Nothing));
        check("/window", None, Order::Window);
        check("/help", None, Order::Help(HELP));
        check("/help block", None, Order::Help(consent::help("block").unwrap()));
        assert!(matches!(read("/mute me", None), Order::Wrong(why) if why.contains("/help mute")));
        check("/goodbye yes", None, Order::Goodbye);
        for line in ["/goodbye", "/goodbye x"] {
            assert!(matches!(read(line, None), Order::Wrong(_)), "{line}");
        }
        check("/quit", None, Order::Quit);
        check("", None, Order::Nothing);
        assert!(matches!(read("/name", None), Order::Wrong(_)));
        assert!(matches!(read("/nonsense", None), Order::Wrong(_)));
        assert!(matches!(read("/answer x", None), Order::Wrong(_)));
    }
}
