//! How a web server sends files itself (GOX_SENDFILE).

use super::GOX_SENDFILE;
use super::read::{BadSetting, read_text};

/// The header that makes the web server send a file itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sendfile {
    /// `X-Sendfile: /absolute/path` (lighttpd, Apache's mod_xsendfile, the bundled front).
    Path,
    /// `X-Accel-Redirect: PREFIX/relative/path` (nginx; Caddy, as conf/Caddyfile has it).
    Redirect(String),
}

impl Sendfile {
    pub(super) fn from_env() -> Result<Option<Sendfile>, BadSetting> {
        let Some(value) = read_text(GOX_SENDFILE)? else {
            return Ok(None);
        };
        match value.split_once(':') {
            None if value.eq_ignore_ascii_case("x-sendfile") => Ok(Some(Sendfile::Path)),
            Some((name, prefix))
                if name.eq_ignore_ascii_case("x-accel-redirect") && prefix.starts_with('/') =>
            {
                Ok(Some(Sendfile::Redirect(prefix.trim_end_matches('/').to_owned())))
            }
            None | Some(_) => Err(BadSetting::new(
                GOX_SENDFILE,
                value,
                "must be X-Sendfile or X-Accel-Redirect:/PREFIX",
            )),
        }
    }
}
