//! A probe: facts about the machine under @name@.*, read below the sysroot that the host names.

#[macro_use]
mod sigrun;
mod sigrun_sys;

use sigrun::{Component, Config, Failure, Host, Op};
use sigrun_sys::*;
use std::os::raw::c_void;

struct Probe {
    host: Host,
}

impl Component for Probe {
    fn interface(&self, id: &str) -> *const c_void {
        if id == SIGRUN_KIND_PROBE { &TABLE as *const _ as *const c_void } else { std::ptr::null() }
    }
}

/// What /proc/uptime says, in whole seconds. Nothing that is not understood becomes a number.
fn uptime(text: &str) -> Option<u64> {
    text.split_whitespace().next()?.split('.').next()?.parse().ok()
}

/// One fact as JSON. Unknown is a status, never a default value.
fn fact(value: Option<u64>) -> String {
    let value = match value {
        Some(seconds) => format!("\"status\":\"ok\",\"value\":{}", seconds),
        None => "\"status\":\"absent\"".to_string(),
    };
    format!(
        "{{\"key\":\"@name@.uptime_s\",{},\"method\":\"read\",\"source\":\"/proc/uptime\",\"confidence\":100,\"ttl_s\":5,\
         \"volatility\":\"fast\"}}",
        value
    )
}

/// [work] Sends the facts, then completes the op.
unsafe extern "C" fn run(
    instance: *mut sigrun_instance, req: *const sigrun_probe_req, facts: *const sigrun_sink, op: sigrun_op,
) -> sigrun_result {
    sigrun::guarded(std::ptr::null_mut(), || {
        let probe = sigrun::object::<Probe>(instance);
        let done = Op::new(probe.host, op);
        let path = format!("{}/proc/uptime", sigrun::view((*req).sysroot));
        let known = std::fs::read_to_string(&path).ok().and_then(|text| uptime(&text));
        let json = format!("{{\"facts\":[{}]}}", fact(known));
        let mut frame: sigrun_frame = std::mem::zeroed();
        frame.struct_size = std::mem::size_of::<sigrun_frame>() as u32;
        frame.kind = SIGRUN_STATE;
        frame.json = sigrun::lend(&json);
        (*facts).on_frame.unwrap()((*facts).ctx, &frame);
        done.ok(b"");
        Ok(SIGRUN_PENDING)
    });
    SIGRUN_PENDING // also after a panic: the op was completed when it was dropped
}

static TABLE: sigrun_probe = sigrun_probe {
    struct_size: std::mem::size_of::<sigrun_probe>() as u32,
    flags: SIGRUN_PROBE_IN_PROCESS,
    soft_ms: 250,
    hard_ms: 1000,
    keys: sigrun::text("@name@.*"),
    run: Some(run),
    cancel: None,
    watch: None,
};

fn create(host: Host, _config: &Config) -> Result<*mut sigrun_instance, Failure> {
    Ok(sigrun::instance_of(host, Probe { host }))
}

sigrun_plugin! {
    id: "@id@",
    version: "1.0.0",
    // Rust's standard library leaves thread-local data behind, so the code stays mapped after a replacement.
    flags: SIGRUN_PLUGIN_PIN,
    doc: "Facts under @name@.*",
    component: "@name@",
    kind: SIGRUN_KIND_PROBE,
    options: &[],
    create: create
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_are_read() {
        assert_eq!(uptime("354.21 600.00\n"), Some(354));
    }

    #[test]
    fn what_is_no_number_is_unknown() {
        assert_eq!(uptime(""), None);
        assert_eq!(uptime("soon"), None);
        assert!(fact(None).contains("absent"));
    }
}
