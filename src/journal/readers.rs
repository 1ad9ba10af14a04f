//! The connections that answer questions beside the writer, each on a thread of its own: reading waits for the disk.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rusqlite::{Connection, InterruptHandle};
use tokio::sync::{mpsc, oneshot};

use super::JournalError;

/// A question, which answers whoever asked it.
type Question = Box<dyn FnOnce(&Connection) + Send>;

/// Where questions are put.
#[derive(Clone)]
pub(super) struct Readers {
    /// None once they are to close.
    questions: Arc<Mutex<Option<Sender<Question>>>>,
    /// Ends when all of them have closed.
    closing: Arc<tokio::sync::Mutex<mpsc::Receiver<()>>>,
    interrupts: Arc<[InterruptHandle]>,
}

impl Readers {
    /// Answers over these connections.
    pub(super) fn over(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (questions, asked) = channel();
        let asked = Arc::new(Mutex::new(asked));
        let (closes, closing) = mpsc::channel(1);
        let interrupts = connections.iter().map(Connection::get_interrupt_handle).collect();
        for connection in connections {
            let (asked, closes) = (Arc::clone(&asked), closes.clone());
            thread::Builder::new().name("journal-read".to_owned()).spawn(move || {
                answer_all(&connection, &asked);
                drop(connection);
                drop(closes);
            })?;
        }
        Ok(Self {
            questions: Arc::new(Mutex::new(Some(questions))),
            closing: Arc::new(tokio::sync::Mutex::new(closing)),
            interrupts,
        })
    }

    /// Asks one of them.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |connection| {
            // Who asked may be gone by now, and then nobody waits for what is read.
            if !answer.is_closed() {
                _ = answer.send(question(connection));
            }
        });
        match &*self.questions.lock().unwrap_or_else(PoisonError::into_inner) {
            // It fails only where no thread is left.
            Some(questions) => _ = questions.send(question),
            None => drop(question),
        }
        answered.await.unwrap_or(Err(JournalError::Closed))
    }

    /// Closes the connections. What they are at is broken off, and what is asked from now on is not answered.
    pub(super) async fn close(&self) {
        drop(self.questions.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.interrupts.iter().for_each(InterruptHandle::interrupt);
        self.closing.lock().await.recv().await;
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

fn answer_all(connection: &Connection, asked: &Mutex<Receiver<Question>>) {
    loop {
        // One waits for the next question; the others wait for that one to have it.
        let question = asked.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(question) = question else { return };
        // Whoever asked hears that there is no answer; the next question is to have one.
        if catch_unwind(AssertUnwindSafe(|| question(connection))).is_err() {
            tracing::error!("a question to the journal broke down");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::journal::sql;

    #[tokio::test]
    async fn a_question_that_breaks_down_has_no_answer_and_the_next_one_has() {
        let readers = Readers::over(vec![Connection::open_in_memory().expect("memory")]).expect("a thread");
        for _ in 0..3 {
            let broken =
                readers.ask(|_| -> Result<(), JournalError> { unreachable!("it breaks down") }).await;
            assert!(matches!(broken, Err(JournalError::Closed)), "{broken:?}");
            assert_eq!(readers.ask(|sql| sql::value::<i64>(sql, "SELECT 7", [])).await.expect("read"), 7);
        }
        readers.close().await;
        let late = readers.ask(|sql| sql::value::<i64>(sql, "SELECT 7", [])).await;
        assert!(matches!(late, Err(JournalError::Closed)), "{late:?}");
    }

    #[tokio::test]
    async fn closing_waits_for_no_question_that_takes_for_ever() {
        let readers = Readers::over(vec![Connection::open_in_memory().expect("memory")]).expect("a thread");
        let (begun, has_begun) = oneshot::channel();
        let endless = readers.ask(|sql| {
            begun.send(()).expect("somebody waits");
            let text =
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n";
            sql::value::<i64>(sql, text, [])
        });
        let close = async {
            has_begun.await.expect("it has begun");
            while tokio::time::timeout(Duration::from_millis(20), readers.close()).await.is_err() {}
        };
        let (endless, ()) = tokio::join!(endless, close);
        assert!(matches!(endless, Err(JournalError::Statement(_))), "{endless:?}");
    }
}
