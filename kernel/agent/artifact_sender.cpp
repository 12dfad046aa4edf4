#include "kernel/agent/artifact_sender.hpp"

#include <sigrun/base.h>

namespace sigrun {

artifact_sender::artifact_sender(artifact_findings found, artifact_reader reader, final_state how)
    : total_(size_of(found.all)),
      told_(json::serialize(json::object{{"state", "uploading"}, {"artifacts", to_json(found.all)}})),
      reader_(std::move(reader)),
      how_(std::move(how)) {}

bool artifact_sender::answered(std::uint64_t position) {
    const bool begins = !asked_;
    asked_ = true;
    if (position >= total_) return true;
    if (position > window_.total() || (begins && position < window_.total() - window_.unacked())) {
        // Contents that are there already are jumped over; what the controller has lost is read again.
        window_.drop();
        window_.begin_at(position);
    } else if (begins) {
        window_.resume(position);
    } else {
        window_.acked(position);
    }
    return false;
}

std::optional<std::uint64_t> artifact_sender::wanted() const {
    if (!asked_ || window_.total() >= total_ || window_.unacked() + SIGRUN_LOG_MAX > k_window) return std::nullopt;
    return window_.total();
}

void artifact_sender::add(std::uint64_t position, const buffer_ref& content) {
    if (position == window_.total()) window_.add(SIGRUN_STREAM_ARTIFACT, 0, content.get());
}

}  // namespace sigrun
