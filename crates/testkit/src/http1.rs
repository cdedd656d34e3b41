//! Reader of HTTP/1.1 messages (RFC 9112), written by hand so that tests see exactly what was sent.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};

/// Start line and header fields, in order and unchanged.
#[derive(Debug, Clone)]
pub(crate) struct MessageHead {
    pub(crate) start_line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl MessageHead {
    /// Returns the first field of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// Returns the first field of that name, compared without regard to case.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Reads up to the empty line; `None` if the peer closed the connection before the first byte.
pub(crate) async fn read_head(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<MessageHead>> {
    let Some(start_line) = read_line(stream).await? else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream).await?.ok_or(ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(Some(MessageHead { start_line, headers }));
        }
        // A line without a colon is kept with an empty value, so that a test can still find it.
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// Reads the body that `head` announces. Without a length, a request has no body, and a reply ends with the
/// connection (RFC 9112 §6.3): `until_close` is `true` for a reply.
pub(crate) async fn read_body(
    stream: &mut (impl AsyncBufRead + Unpin),
    head: &MessageHead,
    until_close: bool,
) -> Result<Vec<u8>> {
    let chunked = head
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let mut body = Vec::new();
    // `Transfer-Encoding` goes before `Content-Length` (RFC 9112 §6.3).
    if chunked {
        return read_chunks(stream).await;
    } else if let Some(length) = head.header("content-length") {
        let length = length
            .parse()
            .map_err(|_| Error::new(ErrorKind::InvalidData, "content-length"))?;
        read_exactly(stream, length, &mut body).await?;
    } else if until_close {
        stream.read_to_end(&mut body).await?;
    }
    Ok(body)
}

async fn read_chunks(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream).await?.ok_or(ErrorKind::UnexpectedEof)?;
        // Chunk extensions follow a semicolon (RFC 9112 §7.1.1).
        let size = line.split(';').next().unwrap_or_default().trim();
        let size =
            u64::from_str_radix(size, 16).map_err(|_| Error::new(ErrorKind::InvalidData, "chunk size"))?;
        read_exactly(stream, size, &mut body).await?;
        // One line end after a chunk; after the last chunk all trailers, up to the empty line.
        while read_line(stream)
            .await?
            .is_some_and(|line| size == 0 && !line.is_empty())
        {}
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn read_exactly(stream: &mut (impl AsyncRead + Unpin), length: u64, into: &mut Vec<u8>) -> Result<()> {
    // `take` and not `read_exact`: a huge announced length must not allocate a huge buffer.
    let read = stream.take(length).read_to_end(into).await?;
    if u64::try_from(read).ok() == Some(length) {
        Ok(())
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// Reads one line without its end. Bytes that are not UTF-8 are replaced.
async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line).await? == 0 {
        return Ok(None);
    }
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    Ok(Some(String::from_utf8_lossy(&line).into_owned()))
}
