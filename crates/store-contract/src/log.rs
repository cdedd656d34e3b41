//! The contract of `RevocationLog`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::revocation::{
    CutoffExemption, InstanceId, JournalEntry, LeaseRenewal, LogFault, RefillLock, RevocationLog,
    RevocationStore, StreamBatch, StreamPosition, StreamSubscription,
};
use maxlab_auth_core::verdict::{Epoch, RevocationKey, Term};
use tokio::task::JoinSet;

use super::fixtures::{later, now, revoked_token, subject, user_cutoff};
use super::{log_leases, run_cases};

const PATIENCE: Duration = Duration::from_millis(100);
pub(super) const LEASE: u64 = 5_000_000;

/// Checks that a shared log and the store behind it keep their contract. `make` creates empty ones.
pub async fn revocation_log<S: RevocationLog + RevocationStore + 'static>(make: impl AsyncFn() -> S) {
    run_cases!(make:
        those_who_come_first_agree_on_the_data_set,
        what_is_published_is_found_directly_and_comes_over_the_stream,
        positions_have_no_gap_whoever_publishes,
        what_was_written_in_one_step_is_ones_own,
        log_leases::a_position_and_the_leases_are_read_in_one_step,
        log_leases::a_lease_that_was_not_renewed_since_is_evicted,
        log_leases::notices_of_what_was_applied_arrive,
        another_data_set_takes_nothing,
        marks_belong_to_a_journal,
        the_snapshot_holds_what_has_not_expired,
        a_follower_begins_where_it_says,
    );
}

pub(super) fn revoked_entry(jti: &str, seconds: u64) -> JournalEntry {
    JournalEntry::Revoked(revoked_token(jti, seconds))
}

pub(super) async fn current_epoch(log: &impl RevocationLog) -> Epoch {
    log.view("journal").await.unwrap().epoch
}

async fn publish(log: &impl RevocationLog, epoch: &Epoch, entries: &[JournalEntry]) -> StreamPosition {
    log.publish(epoch, entries, now()).await.unwrap().position
}

pub(super) async fn renew(
    log: &impl RevocationLog,
    epoch: &Epoch,
    who: &InstanceId,
    applied: StreamPosition,
    number: u64,
) -> StreamPosition {
    let renewal = LeaseRenewal {
        epoch,
        holder: Some((who, applied)),
        lease: LEASE,
        number,
    };
    log.renew_lease(renewal).await.unwrap()
}

async fn read_until(
    stream: &mut Box<dyn StreamSubscription>,
    until: impl Fn(&StreamBatch) -> bool,
) -> StreamBatch {
    let mut all = StreamBatch::default();
    for _ in 0..100 {
        let batch = stream.next(PATIENCE).await.unwrap();
        all.entries.extend(batch.entries);
        all.applied.extend(batch.applied);
        if until(&all) {
            return all;
        }
    }
    panic!("the entries did not arrive: {all:?}");
}

async fn those_who_come_first_agree_on_the_data_set(
    log: Arc<impl RevocationLog + RevocationStore + 'static>,
) {
    assert_eq!(log.find(&[], &[], now()).await.unwrap().epoch, None);
    let mut comers = JoinSet::new();
    for _ in 0..16 {
        let log = Arc::clone(&log);
        comers.spawn(async move { current_epoch(log.as_ref()).await });
    }
    let agreed: BTreeSet<_> = comers.join_all().await.into_iter().collect();
    assert_eq!(agreed.len(), 1, "{agreed:?}");
    let found = log.find(&[], &[], now()).await.unwrap().epoch;
    assert_eq!(found.as_ref(), agreed.first());
}

async fn what_is_published_is_found_directly_and_comes_over_the_stream(
    log: Arc<impl RevocationLog + RevocationStore>,
) {
    let epoch = current_epoch(log.as_ref()).await;
    let mut stream = log.subscribe(&epoch, 0).await.unwrap();
    let token = revoked_token("a", 60);
    let exemption = CutoffExemption {
        key: RevocationKey::Session("s 1".into()),
        began_at: later(1),
        expires_at: later(60),
        subject: Some(subject("u1")),
    };
    let cut = user_cutoff("김:사용자", 1, 60);
    let entries = [
        JournalEntry::Revoked(token.clone()),
        JournalEntry::Revoked(cut.clone()),
        JournalEntry::Exempted(exemption.clone()),
    ];
    publish(log.as_ref(), &epoch, &entries).await;
    let batch = read_until(&mut stream, |batch| batch.entries.len() == 3).await;
    let positions: Vec<_> = batch
        .entries
        .iter()
        .map(|one| (one.before, one.position))
        .collect();
    assert_eq!(positions, [(0, 1), (1, 2), (2, 3)]);
    let exempted_at = batch
        .entries
        .iter()
        .position(|one| matches!(one.entry, JournalEntry::Exempted(_)));
    let cut_at = batch.entries.iter().position(
        |one| matches!(&one.entry, JournalEntry::Revoked(revocation) if revocation.key == cut.key && revocation.cutoff == cut.cutoff),
    );
    assert!(exempted_at.is_some() && exempted_at < cut_at, "{batch:?}");
    let findings = log
        .find(&[token.key, cut.key], std::slice::from_ref(&exemption.key), now())
        .await
        .unwrap();
    assert!(findings.revoked.iter().all(Option::is_some));
    assert_eq!(findings.exempt_since, [Some(exemption.began_at)]);
    assert_eq!(findings.epoch, Some(epoch));
}

async fn positions_have_no_gap_whoever_publishes(log: Arc<impl RevocationLog + RevocationStore + 'static>) {
    let epoch = current_epoch(log.as_ref()).await;
    let mut stream = log.subscribe(&epoch, 0).await.unwrap();
    let mut publishers = JoinSet::new();
    for n in 0..8 {
        let (log, epoch) = (Arc::clone(&log), epoch.clone());
        publishers.spawn(async move {
            for m in 0..10 {
                let entries = [
                    revoked_entry(&format!("{n}-{m}-a"), 60),
                    revoked_entry(&format!("{n}-{m}-b"), 60),
                ];
                publish(log.as_ref(), &epoch, &entries).await;
            }
        });
    }
    publishers.join_all().await;
    let batch = read_until(&mut stream, |batch| batch.entries.len() >= 160).await;
    for (one, position) in batch.entries.iter().zip(1..) {
        assert_eq!((one.before, one.position), (position - 1, position));
    }
}

/// Checks that no other instance's entry is within the receipt of a publish, however many entries it had. An
/// instance counts that whole range as applied.
async fn what_was_written_in_one_step_is_ones_own(log: Arc<impl RevocationLog + RevocationStore + 'static>) {
    const ENTRIES: usize = 1_300;
    let epoch = current_epoch(log.as_ref()).await;
    let mut stream = log.subscribe(&epoch, 0).await.unwrap();
    let mut publishers = JoinSet::new();
    for who in 0..4 {
        let (log, epoch) = (Arc::clone(&log), epoch.clone());
        publishers.spawn(async move {
            let entries: Vec<_> = (0..ENTRIES)
                .map(|n| revoked_entry(&format!("{who}-{n}"), 60))
                .collect();
            (who, log.publish(&epoch, &entries, now()).await.unwrap())
        });
    }
    let published = publishers.join_all().await;
    let batch = read_until(&mut stream, |batch| batch.entries.len() == 4 * ENTRIES).await;
    for (who, published) in published {
        assert!(published.before < published.position, "{published:?}");
        let own: BTreeSet<_> = (0..ENTRIES)
            .map(|n| revoked_entry(&format!("{who}-{n}"), 60))
            .map(|own| key_name(&own))
            .collect();
        let step = published.before..published.position;
        for one in batch.entries.iter().filter(|one| step.contains(&one.before)) {
            assert!(own.contains(&key_name(&one.entry)), "{who}: {one:?}");
        }
    }
}

fn key_name(entry: &JournalEntry) -> String {
    match entry {
        JournalEntry::Revoked(revocation) => revocation.key.name(),
        JournalEntry::Exempted(exemption) => exemption.key.name(),
    }
}

async fn another_data_set_takes_nothing(log: Arc<impl RevocationLog + RevocationStore>) {
    current_epoch(log.as_ref()).await;
    let other = Epoch::new("another@server");
    let term = Term {
        number: 1,
        epoch: other.clone(),
    };
    let a = InstanceId::new("a.1");
    let renewal = |holder| LeaseRenewal {
        epoch: &other,
        holder,
        lease: LEASE,
        number: 1,
    };
    let answers = [
        log.renew_lease(renewal(None)).await.map(drop),
        log.renew_lease(renewal(Some((&a, 0)))).await.map(drop),
        log.publish(&other, &[revoked_entry("x", 60)], now())
            .await
            .map(drop),
        log.mark_filled("journal", &term).await,
        log.mark_settled("journal", &term).await,
    ];
    for answer in answers {
        assert!(matches!(answer, Err(LogFault::EpochChanged)), "{answer:?}");
    }
    let view = log.view("journal").await.unwrap();
    assert_eq!((view.filled_mark, view.settled_mark), (None, None));
    assert_eq!(log.holders().await.unwrap(), []);
}

async fn marks_belong_to_a_journal(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = current_epoch(log.as_ref()).await;
    let term = Term { number: 3, epoch };
    let me = InstanceId::new("me");
    assert_eq!(
        log.acquire_refill_lock("mine", &me).await.unwrap(),
        RefillLock::Acquired
    );
    assert_eq!(
        log.acquire_refill_lock("mine", &me).await.unwrap(),
        RefillLock::Acquired
    );
    log.mark_filled("mine", &term).await.unwrap();
    log.mark_settled("mine", &term).await.unwrap();
    let (mine, other) = (log.view("mine").await.unwrap(), log.view("other").await.unwrap());
    assert_eq!(
        (mine.filled_mark, mine.settled_mark),
        (Some(term.mark()), Some(term.mark()))
    );
    assert_eq!((other.filled_mark, other.settled_mark), (None, None));
}

async fn the_snapshot_holds_what_has_not_expired(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = current_epoch(log.as_ref()).await;
    let exemption = |name: &str, seconds| {
        JournalEntry::Exempted(CutoffExemption {
            key: RevocationKey::Session(name.into()),
            began_at: later(1),
            expires_at: later(seconds),
            subject: Some(subject("u1")),
        })
    };
    let lasting: Vec<_> = (0..1_200)
        .map(|n| revoked_entry(&format!("j{n}"), 60 + n * 30))
        .chain([
            JournalEntry::Revoked(user_cutoff("u", 1, 500_000)),
            exemption("s", 9_000),
        ])
        .collect();
    publish(log.as_ref(), &epoch, &lasting).await;
    publish(
        log.as_ref(),
        &epoch,
        &[revoked_entry("early", 10), exemption("early", 10)],
    )
    .await;
    let mut keys = BTreeSet::new();
    let mut sink = |entry: JournalEntry| {
        if entry.expires_at() > later(20) {
            keys.insert(match entry {
                JournalEntry::Revoked(revocation) => format!("revoked {}", revocation.key),
                JournalEntry::Exempted(exemption) => format!("exempt {}", exemption.key),
            });
        }
    };
    log.snapshot(&epoch, later(20), &mut sink).await.unwrap();
    assert_eq!(keys.len(), lasting.len());
    assert!(!keys.contains("revoked token:early"));
    let other = log
        .snapshot(&Epoch::new("another@server"), now(), &mut |_| ())
        .await;
    assert!(matches!(other, Err(LogFault::EpochChanged)));
}

async fn a_follower_begins_where_it_says(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = current_epoch(log.as_ref()).await;
    for n in 0..5 {
        publish(log.as_ref(), &epoch, &[revoked_entry(&format!("j{n}"), 60)]).await;
    }
    let mut stream = log.subscribe(&epoch, 3).await.unwrap();
    let batch = read_until(&mut stream, |batch| batch.entries.len() == 2).await;
    assert_eq!(batch.entries[0].before, 3);
    assert_eq!(stream.next(Duration::from_millis(20)).await.unwrap().entries, []);
}
