//! Which requests are answered with a stored head, and how long.

use super::*;

/// A response that caches may use for a minute.
const STORED: &str = "/stored?Cache-Control:max-age=60&Vary:Accept";

impl TestFront {
    /// Sends a request, and returns how many times the program ran for it.
    fn runs_for(&self, request: &str) -> u64 {
        let before = self.runs();
        let (response, end) = self.fetch(request);
        let head = response.split("\r\n\r\n").next().unwrap();
        assert!(head.contains(" 200 OK\r\n") && end == End::Closed, "{head}");
        self.runs() - before
    }

    fn runs(&self) -> u64 {
        std::fs::metadata(self.directory.path().join("file.runs")).map_or(0, |file| file.len())
    }
}

#[test]
fn same_request_is_answered_with_a_stored_head() {
    let front = TestFront::new();
    let [first, second] = [(); 2].map(|()| front.fetch(&get(STORED)).0);
    assert_eq!(front.runs(), 1);
    let parts = |response: &str| {
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let mut fields: Vec<_> = head.lines().map(str::to_owned).collect();
        fields.retain(|field| !field.starts_with("date: "));
        fields.sort();
        (fields, body.to_owned())
    };
    let (mut fields, body) = parts(&first);
    fields.push("age: 0".to_owned());
    fields.sort();
    assert_eq!(parts(&second).0, fields);
    assert!(body == file_content() && parts(&second).1 == body);
}

/// Many requests only ask whether a copy is current.
#[test]
fn same_condition_is_answered_with_a_stored_head() {
    let front = TestFront::new();
    for (fields, condition, runs) in [
        ("Cache-Control:max-age=60", "If-None-Match: \"x\"", 1),
        ("Cache-Control:max-age=60", "If-None-Match: \"x\"", 1),
        ("Cache-Control:max-age=60", "If-None-Match: \"y\"", 2),
        ("Cache-Control:max-age=60", "If-Modified-Since: x", 3),
        ("Cache-Control:max-age=60", "If-Modified-Since: x", 3),
        ("Cache-Control:no-store", "If-None-Match: \"x\"", 4),
        ("Cache-Control:no-store", "If-None-Match: \"x\"", 5),
    ] {
        let request =
            get(&format!("/unchanged?{fields}")).replace("Host: x", &format!("Host: x\r\n{condition}"));
        let (response, end) = front.fetch(&request);
        assert!(
            response.starts_with("HTTP/1.1 304 Not Modified\r\n"),
            "{response}"
        );
        assert!(
            response.contains("\r\netag: \"x\"\r\n") && response.ends_with("\r\n\r\n"),
            "{response}"
        );
        assert_eq!((front.runs(), end), (runs, End::Closed), "{fields} {condition}");
    }
}

#[test]
fn program_runs_if_the_response_may_depend_on_more() {
    let front = TestFront::new();
    assert_eq!(front.runs_for(&get(STORED)), 1);
    assert_eq!(front.runs_for(&get(STORED)), 0);
    // A header that selects no response.
    let with = |field: &str| get(STORED).replace("Host: x", &format!("Host: x\r\n{field}"));
    assert_eq!(front.runs_for(&with("X-Request-Id: 1")), 0);
    for field in [
        "Accept: text/html",
        "Accept-Encoding: gzip",
        "User-Agent: x",
        "Range: bytes=0-1",
        "If-Range: \"x\"",
        "If-None-Match: *",
        "If-Match: *",
        "If-Modified-Since: x",
        "If-Unmodified-Since: x",
        "Want-Repr-Digest: sha-512=1",
        "Cache-Control: no-cache",
        "Pragma: no-cache",
        "Authorization: x",
        "Sec-Fetch-Dest: document",
        "Purpose: prefetch",
    ] {
        assert_eq!(front.runs_for(&with(field)), 1, "{field}");
    }
    for request in [
        get(STORED).replace("GET", "HEAD"),
        get(STORED).replace("Host: x", "Host: y"),
        get(&format!("{STORED}&X-Other:1")),
        get(STORED).replace("HTTP/1.1\r\n", "HTTP/1.0\r\n"),
    ] {
        assert_eq!(front.runs_for(&request), 1, "{request}");
    }
    // None of these has replaced the first.
    assert_eq!(front.runs_for(&get(STORED)), 0);
}

#[test]
fn head_is_stored_only_if_its_fields_allow_it() {
    let front = TestFront::new();
    for fields in [
        "X-Other:1",
        "Cache-Control:no-store",
        "Cache-Control:max-age=60,no-store",
        "Cache-Control:private,max-age=60",
        "Cache-Control:max-age=60&Cache-Control:no-cache",
        "Cache-Control:max-age=0",
        "Cache-Control:max-age=x",
        "Cache-Control:max-age=60&Vary:*",
        "Cache-Control:max-age=60&Vary:Accept,Cookie",
    ] {
        let request = get(&format!("/stored?{fields}"));
        assert_eq!([(); 2].map(|()| front.runs_for(&request)), [1, 1], "{fields}");
    }
    let not_found = get("/stored?Status:404&Cache-Control:max-age=60");
    assert!(
        [(); 2]
            .map(|()| front.fetch(&not_found).0)
            .iter()
            .all(|response| response.starts_with("HTTP/1.1 404 "))
    );
    assert_eq!(front.runs(), 20);
}

/// A file is evicted, or replaced by a rebuilt one.
#[test]
fn head_is_not_used_without_its_file() {
    let front = TestFront::new();
    let file = front.directory.path().join("file");
    front.fetch(&get(STORED));
    std::fs::remove_file(&file).unwrap();
    let (response, _) = front.fetch(&get(STORED));
    assert!(response.starts_with("HTTP/1.1 502 "), "{response}");
    for content in ["one", "two"] {
        std::fs::write(front.directory.path().join("new"), content).unwrap();
        std::fs::rename(front.directory.path().join("new"), &file).unwrap();
        let (response, _) = front.fetch(&get(STORED));
        assert!(response.ends_with(&format!("\r\n\r\n{content}")), "{response}");
    }
    assert_eq!(front.runs(), 4);
}
