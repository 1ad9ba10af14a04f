//! The connections that answer questions beside the writer, each on a thread of its own: reading waits for the disk.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::JournalError;

/// A question, which answers whoever asked it.
type Question = Box<dyn FnOnce(&Connection) + Send>;

/// Where questions are put.
#[derive(Clone)]
pub(super) struct Readers {
    /// None once they are to close.
    questions: Arc<Mutex<Option<Sender<Question>>>>,
    /// Says when all of them have closed.
    open: Arc<tokio::sync::Mutex<mpsc::Receiver<()>>>,
}

impl Readers {
    /// Answers over these connections.
    pub(super) fn over(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (questions, asked) = channel();
        let asked = Arc::new(Mutex::new(asked));
        let (closes, open) = mpsc::channel(1);
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
            open: Arc::new(tokio::sync::Mutex::new(open)),
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
        if let Some(questions) = &*self.questions.lock().unwrap_or_else(PoisonError::into_inner) {
            // It fails only where no thread is left.
            _ = questions.send(question);
        }
        answered.await.unwrap_or(Err(JournalError::Closed))
    }

    /// Closes the connections, after what they have been asked. What is asked from now on is not answered.
    pub(super) async fn close(&self) {
        drop(self.questions.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.open.lock().await.recv().await;
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
        question(connection);
    }
}
