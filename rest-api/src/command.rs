//! What operators ask for, on its way to the agent's loop and back.
//!
//! A request is either answered once or its answer is known to be lost; a full or closed queue is
//! told at once, so that no request waits unseen.

use herdsman_ha_core::{Answer, Command};
use tokio::sync::{mpsc, oneshot};

/// How many requests may wait for the loop. Operators are few; more waiting means that the loop
/// does not take them.
const WAITING: usize = 16;

/// Makes the two ends through which requests pass.
#[must_use]
pub fn commands() -> (CommandSender, CommandReceiver) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (CommandSender(sender), CommandReceiver(receiver))
}

/// The end of those who ask.
#[derive(Clone, Debug)]
pub struct CommandSender(mpsc::Sender<Request>);

/// The agent's end.
#[derive(Debug)]
pub struct CommandReceiver(mpsc::Receiver<Request>);

/// One request.
#[derive(Debug)]
pub struct Request {
    /// What is asked for.
    pub command: Command,
    /// Where the answer goes.
    pub reply: Reply,
}

/// The place for one answer.
#[derive(Debug)]
pub struct Reply(oneshot::Sender<Answer>);

impl Reply {
    /// Answers. Nothing happens when whoever asked has gone.
    pub fn send(self, answer: Answer) {
        // The one who asked may have hung up; the deed does not depend on it.
        drop(self.0.send(answer));
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// Too many requests wait: ask again later.
    #[error("too many requests are waiting")]
    Busy,
    /// The loop has ended before it took the request: nothing was done.
    #[error("the agent is stopping")]
    Stopping,
    /// The loop took the request and ended without an answer: what became of it is not known.
    #[error("the agent stopped before it answered; the operation may still be in progress")]
    Unanswered,
}

impl CommandSender {
    /// Hands a command to the agent's loop and waits for its answer.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub async fn ask(&self, command: Command) -> Result<Answer, CommandError> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            command,
            reply: Reply(reply),
        };
        self.0.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Stopping,
        })?;
        answer.await.map_err(|_| CommandError::Unanswered)
    }
}

impl CommandReceiver {
    /// Waits for the next request; none: nobody can ask any more. Safe to cancel.
    pub async fn next(&mut self) -> Option<Request> {
        self.0.recv().await
    }
}

#[cfg(test)]
mod tests {
    use herdsman_ha_core::AnswerKind;

    use super::*;

    fn done() -> Answer {
        Answer {
            kind: AnswerKind::Done,
            text: "done".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_request_gets_its_answer() {
        let (sender, mut receiver) = commands();
        let asked = tokio::spawn(async move { sender.ask(Command::Leave).await });
        let request = receiver.next().await.expect("a request");
        assert_eq!(request.command, Command::Leave);
        request.reply.send(done());
        assert_eq!(asked.await.unwrap(), Ok(done()));
    }

    #[tokio::test]
    async fn a_closed_loop_and_a_lost_answer_are_told_apart() {
        let (sender, mut receiver) = commands();
        let asked = tokio::spawn({
            let sender = sender.clone();
            async move { sender.ask(Command::Leave).await }
        });
        drop(receiver.next().await.expect("a request"));
        assert_eq!(asked.await.unwrap(), Err(CommandError::Unanswered));
        drop(receiver);
        assert_eq!(
            sender.ask(Command::Leave).await,
            Err(CommandError::Stopping)
        );
    }

    #[tokio::test]
    async fn a_full_queue_is_told_at_once() {
        let (sender, _receiver) = commands();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..WAITING {
            let sender = sender.clone();
            waiting.spawn(async move { sender.ask(Command::Leave).await });
        }
        // The queue is full as soon as every task has run once.
        while sender.0.capacity() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(sender.ask(Command::Leave).await, Err(CommandError::Busy));
    }
}
