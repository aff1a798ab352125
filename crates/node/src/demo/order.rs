//! What the user orders, a line each.

use std::io::BufRead;

use tokio::sync::mpsc;

/// Lines that may wait; whoever types faster waits too.
const WAITING_MAX: usize = 16;

/// One line of input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Kill this node.
    Kill(usize),
    /// Start it again.
    Start(usize),
    /// End the demo.
    Quit,
    /// An empty line.
    Nothing,
    /// A line that means nothing.
    Unknown(String),
    /// There will be no more lines.
    End,
}

/// Reads stdin in a thread of its own, because such a read cannot be cancelled.
pub(super) fn listen() -> mpsc::Receiver<Order> {
    let (orders, receiver) = mpsc::channel(WAITING_MAX);
    std::thread::spawn(move || {
        let lines = std::io::stdin().lock().lines().map_while(Result::ok);
        for order in lines.map(|line| parse(&line)).chain([Order::End]) {
            if orders.blocking_send(order).is_err() {
                return;
            }
        }
    });
    receiver
}

fn parse(line: &str) -> Order {
    let line = line.trim();
    let number = |rest: &str| rest.trim().parse::<usize>().ok();
    let order = match line.split_at_checked(1) {
        None if line.is_empty() => Some(Order::Nothing),
        Some(("q", "")) => Some(Order::Quit),
        Some(("k", rest)) => number(rest).map(Order::Kill),
        Some(("s", rest)) => number(rest).map(Order::Start),
        _ => None,
    };
    order.unwrap_or_else(|| Order::Unknown(line.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_letter_and_a_number() {
        let check = |line: &str, expected| assert_eq!(parse(line), expected);
        check("k 2", Order::Kill(2));
        check(" k2 ", Order::Kill(2));
        check("s  10", Order::Start(10));
        check("q", Order::Quit);
        check("  ", Order::Nothing);
        for line in ["k", "kill 2", "quit", "k -1", "é", "x 1"] {
            check(line, Order::Unknown(line.to_owned()));
        }
    }
}
