//! Whatever is posted: taking it apart ends, events lie one behind the other inside the body, and each of them can be
//! looked at. The items that `serde_json` sees in an EventList are the events.

#![no_main]

use bytes::Bytes;
use kubevigil_audit::event::EventView;
use kubevigil_audit::payload::{Documents, split};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|body: &[u8]| {
    assert!(Documents::new(body).count() <= body.len());
    let body = Bytes::copy_from_slice(body);
    let Ok(split) = split(&body) else {
        let mend = String::from_utf8_lossy(&body).into_owned();
        assert!(serde_json::from_str::<Value>(&mend).is_err() || mend.as_bytes() != body);
        return;
    };
    let mut behind = body.as_ptr();
    for event in &split.events {
        assert!(event.as_ptr() >= behind && event.starts_with(b"{"));
        behind = event.as_ptr_range().end;
        if let Ok(view) = EventView::read(event) {
            let _ = (
                view.time(),
                view.last_hop(),
                view.outcome(),
                view.object_ref(),
            );
        }
    }
    if let Ok(Value::Object(list)) = serde_json::from_slice(&body)
        && list.get("kind").is_some_and(|kind| kind == "EventList")
        && list.get("apiVersion").is_none()
    {
        let items = list.get("items").and_then(Value::as_array);
        let objects = items.into_iter().flatten().filter(|item| item.is_object());
        let events: Vec<Value> = split
            .events
            .iter()
            .map(|event| serde_json::from_slice(event).unwrap())
            .collect();
        assert!(events.iter().eq(objects));
    }
});
