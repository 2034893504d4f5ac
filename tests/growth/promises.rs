//! That what must not grow does not, and that the computation is right.

use system_tests::Stack;

use crate::{check_counts, operation::Operation, step::Step, world::World};

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_create_a_sync_a_page_by_cursor_and_an_idle_sweep_take_the_same_with_five_times_the_brands()
-> Result<(), String> {
    let world = World::on(&Stack::connect().await).await?;
    let mut brands = Vec::new();
    let few = Step::take(&world, &mut brands, 208).await?;
    let many = Step::take(&world, &mut brands, 1040).await?;
    let count = |step: &Step, operation| step.of(operation).map(|measured| measured.count);
    let operations = [
        Operation::Create,
        Operation::Sync,
        Operation::Duplicate,
        Operation::Retrieve,
        Operation::FirstPage(20),
        Operation::LaterPage(20),
        Operation::IdleSweep,
    ];
    for operation in operations {
        let (with_few, with_many) = (count(&few, operation), count(&many, operation));
        assert!(with_few.is_some(), "{operation:?}");
        assert_eq!(with_few, with_many, "{operation:?}");
    }
    check_counts(&few, &world.meter, None)?;
    check_counts(&many, &world.meter, Some(&few))?;
    world.place.remove().await
}
