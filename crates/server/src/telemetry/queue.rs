//! Queue between the log and standard error: bounded, with one thread that writes.
//!
//! A reader of standard error that ended (`serve 2> >(head -n 8)`), a full disk or an unread pipe costs log
//! lines, which are counted. It never delays a request: no thread that serves requests writes.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Maximum number of bytes that wait to be written. An unread pipe holds 64 KiB more.
const MAX_QUEUED_BYTES: usize = 512 * 1024;
/// Capacity that a buffer keeps after it was written, in bytes. The rest is freed.
const MAX_IDLE_CAPACITY: usize = 64 * 1024;
/// Pause before the next write to a descriptor that would block.
const WOULD_BLOCK_PAUSE: Duration = Duration::from_millis(20);

/// A bounded queue of log lines. Clones share it.
#[derive(Clone, Debug)]
pub struct LogQueue(Arc<LogQueueInner>);

#[derive(Debug, Default)]
struct LogQueueInner {
    pending: Mutex<PendingLines>,
    /// Notified when there is a line to write.
    not_empty: Condvar,
    /// Notified when all lines are written.
    drained: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct PendingLines {
    bytes: Vec<u8>,
    /// Set while the writer thread writes lines that it has taken.
    writing: bool,
}

impl LogQueue {
    /// Starts the thread that writes to this process's standard error.
    ///
    /// # Errors
    /// The descriptor cannot be duplicated, or the thread cannot be started.
    pub fn spawn_stderr_writer() -> io::Result<Self> {
        // A separate descriptor, so that a stalled write does not hold the lock of `io::stderr`.
        let stderr = io::stderr().as_fd().try_clone_to_owned()?;
        Self::spawn_writer(File::from(stderr))
    }

    /// Starts the thread that writes to `output`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn_writer(output: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Self(Arc::default());
        let shared = Arc::clone(&queue.0);
        thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || shared.run_writer(output))?;
        Ok(queue)
    }

    /// Appends a line, or counts it as dropped if the queue is full. Never waits for the output.
    pub fn push(&self, line: &[u8]) {
        let mut pending = self.0.lock_pending();
        if pending.bytes.len() + line.len() > MAX_QUEUED_BYTES {
            // Counted without the lock: the writer thread must not wait for a statistic.
            drop(pending);
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let was_empty = pending.bytes.is_empty();
        pending.bytes.extend_from_slice(line);
        // Unlocked first, so that the woken thread does not wait for this one.
        drop(pending);
        // The writer thread sleeps only while the queue is empty, so later lines need no notification.
        if was_empty {
            self.0.not_empty.notify_one();
        }
    }

    /// Returns the number of lines that were not written since the process started.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, for at most `patience`. Returns whether it was.
    pub fn flush(&self, patience: Duration) -> bool {
        // Lines that the writer thread has taken are no longer in `bytes`.
        let unwritten = |pending: &mut PendingLines| pending.writing || !pending.bytes.is_empty();
        let waited = self
            .0
            .drained
            .wait_timeout_while(self.0.lock_pending(), patience, unwritten);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl LogQueueInner {
    fn lock_pending(&self) -> MutexGuard<'_, PendingLines> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes queued lines until the process ends.
    fn run_writer(&self, mut output: impl Write) {
        let mut batch = Vec::new();
        loop {
            {
                let mut pending = self
                    .not_empty
                    .wait_while(self.lock_pending(), |pending| pending.bytes.is_empty())
                    .unwrap_or_else(PoisonError::into_inner);
                // The buffers are swapped, so that the lock is not held during the write.
                std::mem::swap(&mut batch, &mut pending.bytes);
                pending.writing = true;
            }
            let lost = write_batch(&mut output, &batch);
            self.dropped.fetch_add(lost, Ordering::Relaxed);
            batch.clear();
            batch.shrink_to(MAX_IDLE_CAPACITY);
            self.lock_pending().writing = false;
            self.drained.notify_all();
        }
    }
}

/// Writes the whole batch if the output accepts it. Returns the number of lines lost.
fn write_batch(output: &mut impl Write, mut batch: &[u8]) -> u64 {
    while !batch.is_empty() {
        match output.write(batch) {
            Ok(0) => return count_lines(batch),
            // A write may be partial: the rest is written in the next round.
            Ok(count) => batch = batch.get(count..).unwrap_or_default(),
            Err(fault) if fault.kind() == io::ErrorKind::Interrupted => {}
            // Another process that shares standard error may have made it non-blocking.
            Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => thread::sleep(WOULD_BLOCK_PAUSE),
            // The reader has ended, or the disk is full. The next batch is tried again.
            Err(_) => return count_lines(batch),
        }
    }
    0
}

fn count_lines(batch: &[u8]) -> u64 {
    let ends = batch.iter().filter(|byte| **byte == b'\n').count();
    // Part of a line is lost as a whole line.
    u64::try_from(ends).unwrap_or(u64::MAX).max(1)
}

/// Writer of one event. The formatter writes an event in one piece, so each call is one line.
#[derive(Debug)]
pub struct LogLineWriter<'q>(&'q LogQueue);

impl Write for LogLineWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes);
        Ok(bytes.len())
    }

    // Waiting here would delay the thread that logs.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'q> MakeWriter<'q> for LogQueue {
    type Writer = LogLineWriter<'q>;

    fn make_writer(&'q self) -> LogLineWriter<'q> {
        LogLineWriter(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// An output that blocks until it is released, and fails once its other end is gone.
    struct Gate(mpsc::Receiver<()>, mpsc::Sender<Vec<u8>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            let sent = self.1.send(bytes.to_vec());
            sent.map(|()| bytes.len())
                .map_err(|_| io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn w2_a_stalled_output_costs_lines_and_no_time_and_what_was_queued_is_written_later() {
        let (release, released) = mpsc::channel();
        let (written, output) = mpsc::channel();
        let queue = LogQueue::spawn_writer(Gate(released, written)).unwrap();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        for _ in 0..10_000 {
            queue.push(&line);
        }
        let dropped = queue.dropped_lines();
        // At most two buffers are full: the one that is being written and the one behind it.
        assert!((8_900..10_000).contains(&dropped), "{dropped}");
        assert!(!queue.flush(Duration::from_millis(10)), "nothing was written");
        (0..3).for_each(|_| release.send(()).unwrap());
        assert!(queue.flush(PATIENCE));
        let bytes: usize = output.try_iter().map(|batch| batch.len()).sum();
        assert_eq!(bytes as u64, (10_000 - dropped) * 1024);
        assert_eq!(queue.dropped_lines(), dropped);
    }

    #[test]
    fn w2_an_output_that_fails_is_counted_line_by_line() {
        let (release, released) = mpsc::channel::<()>();
        let (written, _output) = mpsc::channel();
        let queue = LogQueue::spawn_writer(Gate(released, written)).unwrap();
        drop(release);
        (0..7).for_each(|_| queue.push(b"a line\n"));
        assert!(queue.flush(PATIENCE));
        assert_eq!(queue.dropped_lines(), 7);
    }
}
