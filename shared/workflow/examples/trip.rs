//! A trip: a flight and a hotel are booked side by side, then it is paid. If the payment is declined, both bookings are
//! cancelled; if the process dies in between, the next one goes on.
//!
//! `cargo run -p workflow --example trip`

use std::{
    convert::Infallible,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use workflow::{
    Application, Call, Engine, Flow, Invocation, MemoryJournal, RunId, Step, StepError,
    StepResponse, StepResult, Steps, Workflow,
};

/// The travel agency's partners: what is booked with them.
#[derive(Default)]
struct Agency {
    bookings: Mutex<Vec<String>>,
}

impl Application for Agency {
    type Write = Infallible;
}

/// Books one thing; its compensation cancels the booking.
struct Book;

impl Step<Agency> for Book {
    const NAME: &'static str = "book";
    type Input = String;
    type Output = String;
    type Undo = String;

    async fn invoke(
        &self,
        agency: &Agency,
        what: &String,
        call: &Call,
    ) -> StepResult<Self, Agency> {
        println!(
            "  booking {what} (idempotency key {})",
            call.idempotency_key
        );
        let mut bookings = agency
            .bookings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !bookings.contains(what) {
            bookings.push(what.clone());
        }
        let confirmation = format!("confirmed: {what}");
        Ok(StepResponse::new(confirmation).undo(what.clone()))
    }

    async fn compensate(
        &self,
        agency: &Agency,
        what: &String,
        undo: Option<&String>,
        _: &Call,
    ) -> Result<(), StepError> {
        let what = undo.unwrap_or(what);
        println!("  cancelling {what}");
        let mut bookings = agency
            .bookings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        bookings.retain(|booked| booked != what);
        Ok(())
    }
}

/// Takes the money, if there is enough.
struct Pay;

impl Step<Agency> for Pay {
    const NAME: &'static str = "pay";
    type Input = u32;
    type Output = ();
    type Undo = ();

    async fn invoke(&self, _: &Agency, budget: &u32, _: &Call) -> StepResult<Self, Agency> {
        if *budget < 500 {
            return Err(StepError::permanent("the card was declined"));
        }
        println!("  paying");
        Ok(StepResponse::new(()))
    }

    async fn compensate(
        &self,
        _: &Agency,
        _: &u32,
        _: Option<&()>,
        _: &Call,
    ) -> Result<(), StepError> {
        println!("  refunding, if it was paid");
        Ok(())
    }
}

struct BookTrip;

impl Workflow<Agency> for BookTrip {
    const NAME: &'static str = "book-trip";
    type Input = u32;
    type Output = Vec<String>;

    fn steps(&self) -> Steps<Agency> {
        Steps::new().with(Book).with(Pay)
    }

    async fn run(&self, flow: &Flow<'_, Agency>, budget: &u32) -> Result<Vec<String>, StepError> {
        let (flight, hotel) = ("flight to Lisbon".to_owned(), "hotel in Alfama".to_owned());
        let booking_flight = flow.step_as("book-flight", &Book, &flight);
        let booking_hotel = flow.step_as("book-hotel", &Book, &hotel);
        let (flight, hotel) = flow.parallelize(booking_flight, booking_hotel).await?;
        flow.step(&Pay, budget).await?;
        Ok(vec![flight, hotel])
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let agency = Agency::default();
    let engine = Engine::new(Arc::new(MemoryJournal::default()));
    for (id, budget) in [("trip-1", 800), ("trip-2", 80)] {
        println!("{id}, with {budget} to spend");
        let outcome = engine
            .run(
                &BookTrip,
                &agency,
                &RunId::new(id),
                &budget,
                Invocation::default(),
            )
            .await?;
        println!("  {outcome:?}");
    }
    Ok(())
}
