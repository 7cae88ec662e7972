//! FCGI_WEB_SERVER_ADDRS (FastCGI specification 1.0, section 3.2): the IP addresses of the web servers that may connect.

use std::ffi::OsStr;
use std::net::IpAddr;

/// The addresses of the web servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebServerAddrs(Vec<IpAddr>);

/// The value is not a list of IP addresses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("FCGI_WEB_SERVER_ADDRS: expected a comma-separated list of IP addresses")]
pub struct InvalidAddressList;

impl WebServerAddrs {
    /// Parses the value of the variable.
    pub fn parse(value: &OsStr) -> Result<WebServerAddrs, InvalidAddressList> {
        let text = value.to_str().ok_or(InvalidAddressList)?;
        let addresses = text.split(',').map(|address| address.trim().parse());
        addresses
            .collect::<Result<_, _>>()
            .map(WebServerAddrs)
            .map_err(|_| InvalidAddressList)
    }

    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_contains_its_addresses() {
        let list = WebServerAddrs::parse(OsStr::new("127.0.0.1, ::1")).unwrap();
        let contains = |address: &str| list.contains(address.parse().unwrap());
        assert!(contains("127.0.0.1") && contains("::1") && !contains("127.0.0.2"));
        for bad in ["", "localhost", "127.0.0.1,", "127.0.0.0/8"] {
            assert_eq!(
                WebServerAddrs::parse(OsStr::new(bad)),
                Err(InvalidAddressList),
                "{bad}"
            );
        }
    }
}
