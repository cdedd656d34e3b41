//! HTTP/1.1 messages read off a socket by hand (RFC 9112), so that tests see exactly what was sent.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};

/// The start line and the header fields, in order and as they came.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) start_line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// The first field of that name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }
}

/// The first field of that name, whatever its case.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers
        .iter()
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

/// Reads up to the empty line; `None` when the peer closed before a first byte.
pub(crate) async fn read_head(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Head>> {
    let Some(start_line) = read_line(stream).await? else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    loop {
        let line = read_line(stream).await?.ok_or(ErrorKind::UnexpectedEof)?;
        if line.is_empty() {
            return Ok(Some(Head { start_line, headers }));
        }
        let (name, value) = line.split_once(':').unwrap_or((&line, ""));
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// Reads the body that `head` announces. Without a length a request has none and a reply ends with the
/// connection (RFC 9112 §6.3), which is what `until_close` says.
pub(crate) async fn read_body(
    stream: &mut (impl AsyncBufRead + Unpin),
    head: &Head,
    until_close: bool,
) -> Result<Vec<u8>> {
    let chunked = head
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let mut body = Vec::new();
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
        let size = line.split(';').next().unwrap_or_default().trim();
        let size =
            u64::from_str_radix(size, 16).map_err(|_| Error::new(ErrorKind::InvalidData, "chunk size"))?;
        read_exactly(stream, size, &mut body).await?;
        // The end of the chunk, or, after the last one, of the trailers.
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
    let read = stream.take(length).read_to_end(into).await?;
    if u64::try_from(read).ok() == Some(length) {
        Ok(())
    } else {
        Err(ErrorKind::UnexpectedEof.into())
    }
}

/// One line without its end; bytes that are no UTF-8 are replaced.
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
