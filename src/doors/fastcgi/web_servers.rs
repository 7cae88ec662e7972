//! FCGI_WEB_SERVER_ADDRS (FastCGI specification 1.0, section 3.2): who may connect, by address.

use std::ffi::OsStr;
use std::net::IpAddr;

/// The addresses of the web servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebServers(Vec<IpAddr>);

/// What is no list of addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("FCGI_WEB_SERVER_ADDRS: addresses with commas between them are wanted")]
pub struct NoAddresses;

impl WebServers {
    /// Reads the variable.
    pub fn parse(value: &OsStr) -> Result<WebServers, NoAddresses> {
        let text = value.to_str().ok_or(NoAddresses)?;
        let addresses = text.split(',').map(|address| address.trim().parse());
        addresses
            .collect::<Result<_, _>>()
            .map(WebServers)
            .map_err(|_| NoAddresses)
    }

    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_names_addresses() {
        let named = WebServers::parse(OsStr::new("127.0.0.1, ::1")).unwrap();
        let has = |address: &str| named.has(address.parse().unwrap());
        assert!(has("127.0.0.1") && has("::1") && !has("127.0.0.2"));
        for bad in ["", "localhost", "127.0.0.1,", "127.0.0.0/8"] {
            assert_eq!(WebServers::parse(OsStr::new(bad)), Err(NoAddresses), "{bad}");
        }
    }
}
