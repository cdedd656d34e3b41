//! Which requests are lent to hyper.

use super::*;

#[test]
fn only_a_whole_request_that_can_have_no_body_is_lent_to_hyper() {
    let plain = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(classify_head(plain), HeadStatus::Complete(plain.len()));
    let two = [plain.as_slice(), b"GET"].concat();
    assert_eq!(classify_head(&two), HeadStatus::Complete(plain.len()));
    for at in 1..plain.len() {
        assert_eq!(classify_head(&plain[..at]), HeadStatus::Partial, "{at}");
    }
    for other in [
        "GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\ntransfer-Encoding: chunked\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
        "GET /x HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET /x HTTP/1.0\r\nHost: a\r\n\r\n",
        "POST /x HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(
            classify_head(other.as_bytes()),
            HeadStatus::Unsupported,
            "{other}"
        );
    }
}
