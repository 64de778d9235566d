//! SIGINT and SIGTERM become a wish to stop, which long work looks for; a second one ends the process at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::error::{Error, Result};

static STOP: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Listens from now on. Called once, before long work starts.
pub fn listen() -> Result<()> {
    let stop = STOP.get_or_init(Arc::default);
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        // The order matters: the first signal finds the flag down and raises it, the second finds it raised and ends us.
        signal_hook::flag::register_conditional_shutdown(signal, 75, Arc::clone(stop))
            .and_then(|_| signal_hook::flag::register(signal, Arc::clone(stop)))
            .map_err(|error| Error::failed(format!("cannot listen for signal {signal}: {error}")))?;
    }
    Ok(())
}

/// Whether the user or the system has asked us to stop.
pub fn stop_wanted() -> bool {
    STOP.get().is_some_and(|stop| stop.load(Ordering::Relaxed))
}
