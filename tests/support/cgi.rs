//! The first door: the request in the environment, the answer on stdout. No server at all.

use super::answer::Answer;
use super::ask::Ask;
use super::scratch::Scratch;
use super::{PATIENCE, gox_server};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// One running CGI program.
pub(crate) struct Cgi {
    pub(crate) child: Child,
    /// Its stderr is a file and no pipe: a builder may keep it open after its request, which nobody has to wait for.
    log: File,
    asked: String,
}

impl Cgi {
    /// Starts the program as a web server would: this environment, nothing else.
    pub(crate) fn start(store: &Scratch, ask: &Ask) -> Cgi {
        let mut command = Command::new(gox_server());
        command.env_clear().envs(store.settings()).envs(ask.variables());
        Cgi::start_command(command, ask)
    }

    /// Starts a command that the caller has given a request.
    pub(crate) fn start_command(mut command: Command, ask: &Ask) -> Cgi {
        let log = tempfile::tempfile_in(super::tmp()).unwrap();
        command.stdout(Stdio::piped()).stderr(log.try_clone().unwrap());
        command.stdin(if ask.body.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        });
        let mut child = command.spawn().unwrap();
        if let Some(mut stdin) = child.stdin.take() {
            let body = ask.body.clone();
            // On a thread of its own: a program that reads no body may fill its stdout first, or be gone before all is
            // written.
            std::thread::spawn(move || stdin.write_all(&body).ok());
        }
        Cgi {
            child,
            log,
            asked: format!("{} {}", ask.method, ask.uri()),
        }
    }

    /// Waits for the end of its stdout and its exit, which must be 0 once an answer is out.
    #[track_caller]
    pub(crate) fn answer(self) -> Answer {
        self.answer_within(PATIENCE)
    }

    /// The same, with another patience.
    #[track_caller]
    pub(crate) fn answer_within(mut self, patience: Duration) -> Answer {
        let (sender, receiver) = mpsc::channel();
        let mut stdout = self.child.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut printed = Vec::new();
            let read = stdout.read_to_end(&mut printed).map(|_| printed);
            // Nobody listens any more when the deadline has passed, and the test has failed.
            sender.send(read).ok();
        });
        let Ok(printed) = receiver.recv_timeout(patience) else {
            self.child.kill().unwrap();
            panic!(
                "{}: no end of the answer within {patience:?}; log: {}",
                self.asked,
                self.log()
            );
        };
        let exit = self.child.wait().unwrap();
        let log = self.log();
        match Answer::from_cgi(&printed.unwrap()) {
            Ok(answer) if exit.success() => Answer { log, ..answer },
            Ok(answer) => panic!("{}: {exit} after an answer: {answer}{log}", self.asked),
            Err(what) => panic!("{}: not a CGI answer: {what}; {exit}; log: {log}", self.asked),
        }
    }

    fn log(&self) -> String {
        let mut bytes = Vec::new();
        let mut log = &self.log;
        log.rewind().unwrap();
        log.read_to_end(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
