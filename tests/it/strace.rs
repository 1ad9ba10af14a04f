//! strace, which lets a system call of a running program fail, or kills the program at it.

use crate::patience::eventually;
use crate::program::{Program, Running};

/// It holds on to a program; the program goes on untouched when it is dropped.
pub(crate) struct Strace(Running);

impl Strace {
    /// From now on, does to these calls of the program what strace's `inject` says, such as `error=EIO` or
    /// `signal=KILL:when=3`.
    pub(crate) async fn inject(program: &Running, calls: &str, fault: &str) -> Self {
        let (id, inject) = (program.id().to_string(), format!("inject={calls}:{fault}"));
        let trace = format!("trace={calls}");
        let arguments = ["-f", "-p", &id, "-e", &trace, "-e", &inject, "-o", "trace"];
        let mut strace = Program::named("strace", &arguments).start();
        // With all its threads: it has several.
        strace.logged("attached with").await;
        Self(strace)
    }

    /// Lets the program go. Asked but once, just when it waits anew, strace would go on waiting for the next call of
    /// a program that may be idle.
    pub(crate) async fn detach(mut self) {
        eventually(async || {
            self.0.signal("INT");
            self.0.has_ended().then_some(())
        })
        .await;
        self.0.exit().await;
    }
}
