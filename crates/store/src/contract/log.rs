//! The contract of `RevocationLog`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use maxlab_auth_core::revocation::{
    Epoch, Filling, Follow, Holder, Instance, JournalEntry, LogFault, News, Position, Renewal, RevocationKey,
    RevocationLog, RevocationStore, Spare, Term,
};
use tokio::task::JoinSet;

use super::cases;
use super::given::{cut_off, later, now, revoked_token};

const PATIENCE: Duration = Duration::from_millis(100);
const LEASE: u64 = 5_000_000;

/// Holds a shared log, and the store that it writes to, to their contract; `make` makes empty ones.
pub async fn revocation_log<S: RevocationLog + RevocationStore + 'static>(make: impl AsyncFn() -> S) {
    cases!(make:
        those_who_come_first_agree_on_the_data_set,
        what_is_published_is_found_directly_and_comes_over_the_stream,
        positions_have_no_gap_whoever_publishes,
        what_was_written_in_one_step_is_ones_own,
        a_position_and_the_leases_are_read_in_one_step,
        a_lease_that_was_not_renewed_since_is_evicted,
        notices_of_what_was_applied_arrive,
        another_data_set_takes_nothing,
        marks_belong_to_a_journal,
        the_snapshot_holds_what_has_not_expired,
        a_follower_begins_where_it_says,
    );
}

fn order(jti: &str, seconds: u64) -> JournalEntry {
    JournalEntry::Revoked(revoked_token(jti, seconds))
}

async fn epoch(log: &impl RevocationLog) -> Epoch {
    log.look("journal").await.unwrap().epoch
}

async fn publish(log: &impl RevocationLog, epoch: &Epoch, entries: &[JournalEntry]) -> Position {
    log.publish(epoch, entries, now()).await.unwrap().position
}

async fn renew(
    log: &impl RevocationLog,
    epoch: &Epoch,
    who: &Instance,
    applied: Position,
    number: u64,
) -> Position {
    let renewal = Renewal {
        epoch,
        holder: Some((who, applied)),
        lease: LEASE,
        number,
    };
    log.renew(renewal).await.unwrap()
}

async fn read(stream: &mut Box<dyn Follow>, until: impl Fn(&News) -> bool) -> News {
    let mut all = News::default();
    for _ in 0..100 {
        let news = stream.next(PATIENCE).await.unwrap();
        all.entries.extend(news.entries);
        all.applied.extend(news.applied);
        if until(&all) {
            return all;
        }
    }
    panic!("it did not come: {all:?}");
}

async fn those_who_come_first_agree_on_the_data_set(
    log: Arc<impl RevocationLog + RevocationStore + 'static>,
) {
    assert_eq!(log.find(&[], &[], now()).await.unwrap().epoch, None);
    let mut comers = JoinSet::new();
    for _ in 0..16 {
        let log = Arc::clone(&log);
        comers.spawn(async move { epoch(log.as_ref()).await });
    }
    let agreed: BTreeSet<_> = comers.join_all().await.into_iter().collect();
    assert_eq!(agreed.len(), 1, "{agreed:?}");
    let shown = log.find(&[], &[], now()).await.unwrap().epoch;
    assert_eq!(shown.as_ref(), agreed.first());
}

async fn what_is_published_is_found_directly_and_comes_over_the_stream(
    log: Arc<impl RevocationLog + RevocationStore>,
) {
    let epoch = epoch(log.as_ref()).await;
    let mut stream = log.follow(&epoch, 0).await.unwrap();
    let token = revoked_token("a", 60);
    let spare = Spare {
        key: RevocationKey::Session("s 1".into()),
        began_at: later(1),
        expires_at: later(60),
        user_id: "u1".into(),
    };
    let cut = cut_off("김:사용자", 1, 60);
    let entries = [
        JournalEntry::Revoked(token.clone()),
        JournalEntry::Revoked(cut.clone()),
        JournalEntry::Spared(spare.clone()),
    ];
    publish(log.as_ref(), &epoch, &entries).await;
    let news = read(&mut stream, |news| news.entries.len() == 3).await;
    let places: Vec<_> = news
        .entries
        .iter()
        .map(|one| (one.before, one.position))
        .collect();
    assert_eq!(places, [(0, 1), (1, 2), (2, 3)]);
    let spared = news
        .entries
        .iter()
        .position(|one| matches!(one.entry, JournalEntry::Spared(_)));
    let cut_at = news.entries.iter().position(
        |one| matches!(&one.entry, JournalEntry::Revoked(order) if order.key == cut.key && order.cutoff == cut.cutoff),
    );
    assert!(spared.is_some() && spared < cut_at, "{news:?}");
    let findings = log
        .find(&[token.key, cut.key], std::slice::from_ref(&spare.key), now())
        .await
        .unwrap();
    assert!(findings.revoked.iter().all(Option::is_some));
    assert_eq!(findings.spared, [Some(spare.began_at)]);
    assert_eq!(findings.epoch, Some(epoch));
}

async fn positions_have_no_gap_whoever_publishes(log: Arc<impl RevocationLog + RevocationStore + 'static>) {
    let epoch = epoch(log.as_ref()).await;
    let mut stream = log.follow(&epoch, 0).await.unwrap();
    let mut publishers = JoinSet::new();
    for n in 0..8 {
        let (log, epoch) = (Arc::clone(&log), epoch.clone());
        publishers.spawn(async move {
            for m in 0..10 {
                let entries = [order(&format!("{n}-{m}-a"), 60), order(&format!("{n}-{m}-b"), 60)];
                publish(log.as_ref(), &epoch, &entries).await;
            }
        });
    }
    publishers.join_all().await;
    let news = read(&mut stream, |news| news.entries.len() >= 160).await;
    for (one, position) in news.entries.iter().zip(1..) {
        assert_eq!((one.before, one.position), (position - 1, position));
    }
}

/// An instance takes what it published for applied, so nobody else's entry may be among it, however long it was.
async fn what_was_written_in_one_step_is_ones_own(log: Arc<impl RevocationLog + RevocationStore + 'static>) {
    const ENTRIES: usize = 1_300;
    let epoch = epoch(log.as_ref()).await;
    let mut stream = log.follow(&epoch, 0).await.unwrap();
    let mut publishers = JoinSet::new();
    for who in 0..4 {
        let (log, epoch) = (Arc::clone(&log), epoch.clone());
        publishers.spawn(async move {
            let entries: Vec<_> = (0..ENTRIES).map(|n| order(&format!("{who}-{n}"), 60)).collect();
            (who, log.publish(&epoch, &entries, now()).await.unwrap())
        });
    }
    let published = publishers.join_all().await;
    let news = read(&mut stream, |news| news.entries.len() == 4 * ENTRIES).await;
    for (who, published) in published {
        assert!(published.before < published.position, "{published:?}");
        let own: BTreeSet<_> = (0..ENTRIES)
            .map(|n| order(&format!("{who}-{n}"), 60))
            .map(|own| name(&own))
            .collect();
        let step = published.before..published.position;
        for one in news.entries.iter().filter(|one| step.contains(&one.before)) {
            assert!(own.contains(&name(&one.entry)), "{who}: {one:?}");
        }
    }
}

fn name(entry: &JournalEntry) -> String {
    match entry {
        JournalEntry::Revoked(order) => order.key.name(),
        JournalEntry::Spared(spare) => spare.key.name(),
    }
}

async fn a_position_and_the_leases_are_read_in_one_step(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = epoch(log.as_ref()).await;
    let (a, b) = (Instance::new("a.1"), Instance::new("b.1"));
    assert_eq!(renew(log.as_ref(), &epoch, &a, 0, 1).await, 0);
    let entries = [order("x", 60), order("y", 60)];
    let published = log.publish(&epoch, &entries, now()).await.unwrap();
    assert_eq!((published.before, published.position), (0, 2));
    let held = |instance: &Instance, applied, renewal| Holder {
        instance: instance.clone(),
        applied,
        lease: LEASE,
        renewal,
    };
    assert_eq!(published.holders, [held(&a, 0, 1)]);
    assert_eq!(renew(log.as_ref(), &epoch, &b, 2, 1).await, 2);
    assert_eq!(renew(log.as_ref(), &epoch, &a, 1, 2).await, 2);
    let mut holders = log.holders().await.unwrap();
    holders.sort_by(|one, other| one.instance.cmp(&other.instance));
    assert_eq!(holders, [held(&a, 1, 2), held(&b, 2, 1)]);
    let asks_only = Renewal {
        epoch: &epoch,
        holder: None,
        lease: 0,
        number: 0,
    };
    assert_eq!(log.renew(asks_only).await.unwrap(), 2);
    log.release(&a).await.unwrap();
    assert_eq!(log.holders().await.unwrap(), [held(&b, 2, 1)]);
}

async fn a_lease_that_was_not_renewed_since_is_evicted(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = epoch(log.as_ref()).await;
    let a = Instance::new("a.1");
    renew(log.as_ref(), &epoch, &a, 0, 1).await;
    let seen = log.holders().await.unwrap();
    renew(log.as_ref(), &epoch, &a, 0, 2).await;
    log.evict(&seen[0]).await.unwrap();
    let stands = log.holders().await.unwrap();
    assert_eq!(stands.len(), 1, "it renewed meanwhile");
    log.evict(&stands[0]).await.unwrap();
    assert_eq!(log.holders().await.unwrap(), []);
}

async fn notices_of_what_was_applied_arrive(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = epoch(log.as_ref()).await;
    let (a, unknown) = (Instance::new("a.1"), Instance::new("nobody.1"));
    renew(log.as_ref(), &epoch, &a, 0, 1).await;
    log.applied(&a, 3).await.unwrap();
    log.applied(&a, 2).await.unwrap();
    log.applied(&unknown, 9).await.unwrap();
    let holders = log.holders().await.unwrap();
    assert_eq!(
        holders.len(),
        1,
        "who holds no lease gets none by saying something"
    );
    assert_eq!(holders[0].applied, 3);
}

async fn another_data_set_takes_nothing(log: Arc<impl RevocationLog + RevocationStore>) {
    epoch(log.as_ref()).await;
    let other = Epoch::new("another@server");
    let term = Term {
        number: 1,
        epoch: other.clone(),
    };
    let a = Instance::new("a.1");
    let renewal = |holder| Renewal {
        epoch: &other,
        holder,
        lease: LEASE,
        number: 1,
    };
    let answers = [
        log.renew(renewal(None)).await.map(drop),
        log.renew(renewal(Some((&a, 0)))).await.map(drop),
        log.publish(&other, &[order("x", 60)], now()).await.map(drop),
        log.mark_filled("journal", &term).await,
        log.mark_settled("journal", &term).await,
    ];
    for answer in answers {
        assert!(matches!(answer, Err(LogFault::AnotherEpoch)), "{answer:?}");
    }
    let view = log.look("journal").await.unwrap();
    assert_eq!((view.filled, view.settled), (None, None));
    assert_eq!(log.holders().await.unwrap(), []);
}

async fn marks_belong_to_a_journal(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = epoch(log.as_ref()).await;
    let term = Term { number: 3, epoch };
    let me = Instance::new("me");
    assert_eq!(log.begin_filling("mine", &me).await.unwrap(), Filling::Mine);
    assert_eq!(log.begin_filling("mine", &me).await.unwrap(), Filling::Mine);
    log.mark_filled("mine", &term).await.unwrap();
    log.mark_settled("mine", &term).await.unwrap();
    let (mine, other) = (log.look("mine").await.unwrap(), log.look("other").await.unwrap());
    assert_eq!(
        (mine.filled, mine.settled),
        (Some(term.mark()), Some(term.mark()))
    );
    assert_eq!((other.filled, other.settled), (None, None));
}

async fn the_snapshot_holds_what_has_not_expired(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = epoch(log.as_ref()).await;
    let spare = |name: &str, seconds| {
        JournalEntry::Spared(Spare {
            key: RevocationKey::Session(name.into()),
            began_at: later(1),
            expires_at: later(seconds),
            user_id: "u1".into(),
        })
    };
    let lasting: Vec<_> = (0..1_200)
        .map(|n| order(&format!("j{n}"), 60 + n * 30))
        .chain([JournalEntry::Revoked(cut_off("u", 1, 500_000)), spare("s", 9_000)])
        .collect();
    publish(log.as_ref(), &epoch, &lasting).await;
    publish(log.as_ref(), &epoch, &[order("early", 10), spare("early", 10)]).await;
    let mut keys = BTreeSet::new();
    let mut sink = |entry: JournalEntry| {
        if entry.expires_at() > later(20) {
            keys.insert(match entry {
                JournalEntry::Revoked(order) => format!("revoked {}", order.key),
                JournalEntry::Spared(spare) => format!("spared {}", spare.key),
            });
        }
    };
    log.snapshot(&epoch, later(20), &mut sink).await.unwrap();
    assert_eq!(keys.len(), lasting.len());
    assert!(!keys.contains("revoked token:early"));
    let other = log
        .snapshot(&Epoch::new("another@server"), now(), &mut |_| ())
        .await;
    assert!(matches!(other, Err(LogFault::AnotherEpoch)));
}

async fn a_follower_begins_where_it_says(log: Arc<impl RevocationLog + RevocationStore>) {
    let epoch = epoch(log.as_ref()).await;
    for n in 0..5 {
        publish(log.as_ref(), &epoch, &[order(&format!("j{n}"), 60)]).await;
    }
    let mut stream = log.follow(&epoch, 3).await.unwrap();
    let news = read(&mut stream, |news| news.entries.len() == 2).await;
    assert_eq!(news.entries[0].before, 3);
    assert_eq!(stream.next(Duration::from_millis(20)).await.unwrap().entries, []);
}
