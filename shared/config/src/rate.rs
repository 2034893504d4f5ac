//! The rate at which the CMS may be called, which several processes share.

use crate::Env;

/// This process's share of `CMS_REQUESTS_PER_SECOND`: the processes of sync-brand, of which there are at most
/// `SYNC_BRAND_MAXIMUM_CONCURRENCY`, and one of reconcile-brands have the same. A rate of 0 means no limit.
pub fn cms_rate_share(env: &mut Env) -> Option<f64> {
    const RATE: &str = "CMS_REQUESTS_PER_SECOND";
    let rate: Option<f64> = env.parse(RATE);
    let processes: Option<u32> = env.parse("SYNC_BRAND_MAXIMUM_CONCURRENCY");
    let (rate, processes) = rate.zip(processes)?;
    if !rate.is_finite() || rate < 0.0 {
        env.problem(RATE, "must be 0 or more");
    } else if rate > 0.0 && processes == 0 {
        env.problem(
            RATE,
            "SYNC_BRAND_MAXIMUM_CONCURRENCY must not be 0, or nothing says how many processes share the rate",
        );
    }
    (rate > 0.0).then(|| rate / (f64::from(processes) + 1.0))
}

#[cfg(test)]
mod tests {
    use super::cms_rate_share;
    use crate::Env;

    fn share(rate: &'static str, processes: &'static str) -> Result<Option<f64>, String> {
        let mut env = Env::of([
            ("CMS_REQUESTS_PER_SECOND", rate),
            ("SYNC_BRAND_MAXIMUM_CONCURRENCY", processes),
        ]);
        let share = cms_rate_share(&mut env);
        env.finish(share).map_err(|error| error.to_string())
    }

    #[test]
    fn the_processes_share_the_rate_and_a_rate_without_their_number_is_a_problem() {
        assert_eq!(share("10", "4"), Ok(Some(2.0)));
        assert_eq!(share("0", "4"), Ok(None));
        assert_eq!(share("0", "0"), Ok(None));
        for (rate, processes, problem) in [
            ("10", "0", "SYNC_BRAND_MAXIMUM_CONCURRENCY must not be 0"),
            ("-1", "4", "CMS_REQUESTS_PER_SECOND: must be 0 or more"),
            ("inf", "4", "CMS_REQUESTS_PER_SECOND: must be 0 or more"),
            ("ten", "4", "CMS_REQUESTS_PER_SECOND: invalid float"),
            ("10", "", "SYNC_BRAND_MAXIMUM_CONCURRENCY is not set"),
        ] {
            let error = share(rate, processes).err();
            assert!(
                error.is_some_and(|error| error.contains(problem)),
                "{problem}"
            );
        }
    }
}
