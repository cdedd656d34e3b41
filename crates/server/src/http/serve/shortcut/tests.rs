use super::*;

#[test]
fn only_a_whole_request_that_can_have_no_body_is_lent_to_hyper() {
    let plain = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(length_without_body(plain), Head::Whole(plain.len()));
    let two = [plain.as_slice(), b"GET"].concat();
    assert_eq!(length_without_body(&two), Head::Whole(plain.len()));
    for at in 1..plain.len() {
        assert_eq!(length_without_body(&plain[..at]), Head::Half, "{at}");
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
        assert_eq!(length_without_body(other.as_bytes()), Head::Other, "{other}");
    }
}
