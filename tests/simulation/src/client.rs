//! Clients of the API, and an operator.

use std::{sync::Arc, time::Duration};

use brand::{
    Brand, BrandEvents, BrandId, BrandName, BrandWriter, Changed, IdempotencyKey, StoreError,
    TakeUp, take_up,
};
use telemetry::Trace;
use tokio::time::sleep;

use crate::{
    cms::REFUSED,
    dynamodb::DynamoDb,
    invariants,
    plan::Fault,
    queue::{POISON, Sqs},
    search::SEARCH,
    world::World,
};

/// What a client wants of a brand.
enum Wish {
    Create(Box<Brand>),
    Rename(BrandName),
    Delete,
}

/// A client that creates a brand and changes it now and then.
pub(crate) async fn client(world: Arc<World>, number: usize) {
    let (chance, plan) = (&world.chance, &world.plan);
    let busy = u64::try_from(plan.busy.as_millis()).unwrap();
    sleep(chance.millis(0..busy)).await;
    let key = format!("{} {number}", plan.seed);
    let key = IdempotencyKey::parse("simulation", key.as_bytes()).unwrap();
    let brand = Brand::new(name(&world, number), world.now()).with_idempotency_key(&key);
    let id = brand.id;
    world.name(id, format!("brand {number}"));
    let (table, sqs) = (DynamoDb::new(&world, "client"), Sqs(Arc::clone(&world)));
    if !wish(&world, (&table, &sqs), id, Wish::Create(Box::new(brand))).await {
        return;
    }
    let changes = if plan.clients_change {
        chance.below(4)
    } else {
        0
    };
    for _ in 0..changes {
        let pause = chance.one_of(&[300, 5_000, busy]);
        sleep(chance.millis(0..pause)).await;
        if chance.permille(200) {
            wish(&world, (&table, &sqs), id, Wish::Delete).await;
        } else {
            let name = name(&world, number);
            wish(&world, (&table, &sqs), id, Wish::Rename(name)).await;
        }
        if world.strikes(Fault::Poison) {
            world.queue.send(&world, POISON);
        }
    }
}

fn name(world: &World, number: usize) -> BrandName {
    let begins = if world.plan.clients_change && world.chance.permille(150) {
        REFUSED
    } else {
        "Name"
    };
    let salt = world.chance.below(100);
    BrandName::parse(format!("{begins} {number}-{salt}")).unwrap()
}

/// Makes a request, a few times if need be, and announces what it did. Answers whether the brand is there.
async fn wish(
    world: &Arc<World>,
    (table, sqs): (&DynamoDb, &Sqs),
    id: BrandId,
    wish: Wish,
) -> bool {
    for _ in 0..3 {
        match act(world, table, id, &wish).await {
            Ok(Some(brand)) => {
                world.acknowledge(&brand);
                let _ = sqs.announce(&brand, &Trace::of_request(None, None)).await;
                return true;
            }
            Ok(None) => return true,
            Err(_) => sleep(world.chance.millis(100..3_000)).await,
        }
    }
    world.tell("client", format_args!("gives {} up", world.of(id)));
    world.brands.row(id).is_some()
}

async fn act(
    world: &World,
    table: &DynamoDb,
    id: BrandId,
    wish: &Wish,
) -> Result<Option<Brand>, StoreError> {
    let now = world.now();
    let changed = match wish {
        Wish::Create(brand) => {
            return table.create(brand).await.map(|_| Some((**brand).clone()));
        }
        Wish::Rename(name) => table.update(id, name, None, now).await?,
        Wish::Delete => table.delete(id, None, now).await?,
    };
    match changed {
        Changed::Done(brand) => Ok(Some(*brand)),
        Changed::Deleted { .. } | Changed::Missing | Changed::Conflict(_) => Ok(None),
    }
}

/// An operator who opens and closes the circuit, and takes brands up, in the midst of it all.
pub(crate) async fn meddle(world: Arc<World>) {
    let busy = u64::try_from(world.plan.busy.as_millis()).unwrap();
    sleep(world.chance.millis(0..busy)).await;
    if world.chance.permille(500) {
        let breaker = world.breaker(Arc::new(world.circuits.clone()));
        let now = || workflow::Timestamp::from_millis(world.now().as_millis());
        world.tell("operator", "opens the circuit");
        world.story.count(Fault::OperatorCircuit);
        breaker.open("operate", "simulation", now()).await.unwrap();
        sleep(world.chance.millis(1_000..1_200_000)).await;
        world.tell("operator", "closes the circuit");
        breaker.close("operate", "simulation", now()).await.unwrap();
    }
    for row in world.brands.all_rows() {
        let scope = world
            .chance
            .one_of(&[TakeUp::Marked, TakeUp::Unsynced, TakeUp::Everything]);
        take(&world, row.brand.id, scope).await;
        world.story.count(Fault::OperatorTakesUp);
    }
}

/// An operator's `sync --id`.
pub(crate) async fn take(world: &Arc<World>, id: BrandId, scope: TakeUp) {
    let table = DynamoDb::new(world, "operator");
    let token = format!("operator {}", world.chance.random());
    let names: &[&str] = if world.plan.has_second_subscriber {
        &[brand::CMS_SUBSCRIBER, SEARCH]
    } else {
        &[brand::CMS_SUBSCRIBER]
    };
    world.tell(
        "operator",
        format_args!("takes {} up ({scope:?})", world.of(id)),
    );
    let _ = take_up(&table, (id, scope), names, &token, world.now()).await;
}

/// Lets nothing go wrong any more, and takes up what is marked, until all is at rest. Breaks the promise that all comes to
/// rest where that takes too long.
pub(crate) async fn come_to_rest(world: &Arc<World>) {
    const LONGEST: Duration = Duration::from_hours(4);
    // What is refused by its name is refused again.
    for is_last in [false, true] {
        let since = world.age();
        while let Some(moving) = invariants::in_motion(world) {
            if world.age() > since + LONGEST {
                world.break_promise(format_args!("not at rest after hours: {moving}"));
            }
            if world.story.is_broken() {
                return;
            }
            sleep(Duration::from_secs(15)).await;
        }
        let rows = world.brands.all_rows();
        let marked = rows
            .iter()
            .filter(|row| !is_last && row.attention_since().is_some());
        for row in marked {
            take(world, row.brand.id, TakeUp::Marked).await;
        }
    }
}
