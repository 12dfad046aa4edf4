//! A balancer: takes the first runner that is free, in the best tier that has one. Requests of one batch are spread over
//! different runners.

#[macro_use]
mod sigrun;
mod sigrun_sys;

use sigrun::{Component, Config, Failure, Host};
use sigrun_sys::*;
use std::os::raw::c_void;
use std::sync::atomic::{AtomicU64, Ordering};

struct Balancer;

impl Component for Balancer {
    fn interface(&self, id: &str) -> *const c_void {
        if id == SIGRUN_KIND_BALANCER { &TABLE as *const _ as *const c_void } else { std::ptr::null() }
    }
}

/// Words of a view change while they are read: load each once.
unsafe fn word(plane: *const u64, index: u32) -> u64 {
    (*(plane.add(index as usize) as *const AtomicU64)).load(Ordering::Relaxed)
}

/// The positions of the set bits, lowest first.
fn ones(mut bits: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let at = bits.trailing_zeros();
        bits &= bits.wrapping_sub(1);
        if at < 64 { Some(at) } else { None }
    })
}

fn taken(picks: &[sigrun_pick], slot: u32) -> bool {
    picks.iter().any(|p| p.n > 0 && p.slot[0] == slot)
}

/// Tier and slot of the first free runner in the feasible pages that this batch has not used yet.
unsafe fn first_fit(view: &sigrun_view, pages: *const u64, before: &[sigrun_pick]) -> Option<(u32, u32)> {
    let words_per_page = 1u32 << (view.page_shift - 6);
    for tier in 0..SIGRUN_TIERS {
        let (idle, any) = (view.idle[tier as usize], view.page_any[tier as usize]);
        for w in 0..(view.n_pages + 63) / 64 {
            for page in ones(word(pages, w) & word(any, w)).map(|bit| 64 * w + bit).filter(|p| *p < view.n_pages) {
                for i in 0..words_per_page {
                    let base = (page << view.page_shift) + 64 * i;
                    let free = ones(word(idle, page * words_per_page + i)).map(|bit| base + bit);
                    if let Some(slot) = free.filter(|s| *s < view.n_slots).find(|s| !taken(before, *s)) {
                        return Some((tier, slot));
                    }
                }
            }
        }
    }
    None
}

/// [hot] No lock, no allocation, no system call; nothing in it can panic, so it needs no guard.
unsafe extern "C" fn pick(
    _tls: *mut c_void, view: *const sigrun_view, req: *const sigrun_req, n: u32, pred_pages: *const u64, out: *mut sigrun_pick,
) -> u32 {
    let mut placed = 0;
    for i in 0..n as usize {
        let mut chosen: sigrun_pick = std::mem::zeroed();
        let before = std::slice::from_raw_parts(out, i);
        if let Some((tier, slot)) = first_fit(&*view, pred_pages.add((*req.add(i)).pred_pages_off as usize), before) {
            chosen.slot[0] = slot;
            chosen.n = 1;
            chosen.reason = SIGRUN_WHY_IDLE_TIER as u8;
            chosen.tier = tier as u8;
            placed += 1;
        }
        *out.add(i) = chosen;
    }
    placed
}

static TABLE: sigrun_balancer = sigrun_balancer {
    struct_size: std::mem::size_of::<sigrun_balancer>() as u32,
    abi: 1,
    caps: SIGRUN_BALANCER_STATELESS | SIGRUN_BALANCER_DETERMINISTIC,
    reserved: 0,
    thread_init: None,
    thread_fini: None,
    on_snapshot: None,
    pick: Some(pick),
    done: None,
    tune: None,
    decide: None,
};

fn create(host: Host, _config: &Config) -> Result<*mut sigrun_instance, Failure> {
    Ok(sigrun::instance_of(host, Balancer))
}

sigrun_plugin! {
    id: "@id@",
    version: "1.0.0",
    // Rust's standard library leaves thread-local data behind, so the code stays mapped after a replacement.
    flags: SIGRUN_PLUGIN_PIN,
    doc: "First fit",
    component: "@name@",
    kind: SIGRUN_KIND_BALANCER,
    options: &[],
    create: create
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_lowest_first() {
        assert_eq!(ones(0b1010_0001).collect::<Vec<_>>(), [0, 5, 7]);
        assert_eq!(ones(0).count(), 0);
        assert_eq!(ones(u64::MAX).count(), 64);
    }
}
