//! Signs requests with AWS Signature Version 4, and finds the credentials as the AWS command line does. The signer has an asynchronous
//! interface, but every operation below blocks, so its futures never wait and need no runtime.

use std::collections::HashMap;
use std::fs;
use std::pin::pin;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::task::{self, Poll, Waker};

use bytes::Bytes;
use reqsign_aws_v4::{Credential, DefaultCredentialProvider, RequestSigner};
use reqsign_core::{CommandExecute, CommandOutput, Context, Error, FileRead, HttpSend, Result, StaticEnv};
use ureq::http::request::Parts;
use ureq::http::{Request, Response};

/// Signs requests, one at a time: with a second thread, its future would wait for the lock of the credentials. The first signature finds
/// the credentials.
pub(super) struct Signer(Mutex<reqsign_core::Signer<Credential>>);

impl Signer {
    /// Makes a signer for a region. `variables` are those of the AWS command line; `agent` queries servers of credentials.
    pub(super) fn new(region: &str, variables: HashMap<String, String>, agent: ureq::Agent) -> Signer {
        let environment = StaticEnv {
            home_dir: variables.get("HOME").map(Into::into),
            envs: variables,
        };
        let context = Context::new()
            .with_env(environment)
            .with_file_read(BlockingFiles)
            .with_http_send(BlockingHttp(agent))
            .with_command_execute(BlockingCommands);
        let provider = DefaultCredentialProvider::new();
        let signer = reqsign_core::Signer::new(context, provider, RequestSigner::new("s3", region));
        Signer(Mutex::new(signer))
    }

    /// Adds the signature to the head of a request.
    pub(super) fn sign(&self, head: &mut Parts) -> std::result::Result<(), String> {
        // A thread that panicked has left nothing incomplete.
        let signer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match pin!(signer.sign(head, None)).poll(&mut task::Context::from_waker(Waker::noop())) {
            // The sources of the error may quote a response with credentials.
            Poll::Ready(signed) => signed.map_err(|error| error.to_string()),
            Poll::Pending => Err("the signer waits for something".to_owned()),
        }
    }
}

#[derive(Debug)]
struct BlockingFiles;

impl FileRead for BlockingFiles {
    async fn file_read(&self, path: &str) -> Result<Vec<u8>> {
        fs::read(path).map_err(|error| Error::config_invalid(format!("{path}: {error}")))
    }
}

/// Sends requests to servers of credentials, such as those of EC2, ECS and STS.
#[derive(Debug)]
struct BlockingHttp(ureq::Agent);

impl HttpSend for BlockingHttp {
    async fn http_send(&self, request: Request<Bytes>) -> Result<Response<Bytes>> {
        let (head, body) = request.into_parts();
        let unavailable = |error: ureq::Error| Error::unexpected(error.to_string());
        let response = self
            .0
            .run(Request::from_parts(head, &*body))
            .map_err(unavailable)?;
        let (head, mut body) = response.into_parts();
        let body = body.read_to_vec().map_err(unavailable)?;
        Ok(Response::from_parts(head, body.into()))
    }
}

/// Runs `credential_process` of the AWS configuration file.
#[derive(Debug)]
struct BlockingCommands;

impl CommandExecute for BlockingCommands {
    async fn command_execute<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [&'a str],
    ) -> Result<CommandOutput> {
        let output = Command::new(program).args(arguments).output();
        let output = output.map_err(|error| Error::config_invalid(format!("{program}: {error}")))?;
        Ok(CommandOutput {
            status: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: output.stderr,
        })
    }
}
