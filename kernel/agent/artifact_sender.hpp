// What an attempt has left on its way to the controller: what was found, what of it was asked for, and what is read ahead.
//
// Not thread-safe, but for the reader, which belongs to whoever fills.
#pragma once

#include "kernel/agent/artifact_files.hpp"
#include "kernel/agent/final_state.hpp"
#include "kernel/agent/log_window.hpp"

namespace sigrun {

class artifact_sender {
public:
    /// Bytes that are read or sent, and not acknowledged.
    static constexpr std::uint64_t k_window = 1024 * 1024;

    /// `how`: how the attempt ends when all have arrived.
    artifact_sender(artifact_findings found, artifact_reader reader, final_state how);

    /// The STATE that says what there is.
    const std::string& told() const noexcept { return told_; }
    /// It is to be said again, over another connection: nothing more is sent before that is answered.
    void say_again() noexcept { asked_ = false; }

    /// The answer: everything before `position` is there. True: that is all.
    bool answered(std::uint64_t position);

    /// What is to be read next; null if there is no room, or nothing was asked for.
    std::optional<std::uint64_t> wanted() const;
    /// What was read there. Ignored when it is not wanted any more.
    void add(std::uint64_t position, const buffer_ref& content);
    artifact_reader& reader() noexcept { return reader_; }
    bool filling = false;  // somebody is

    const window_piece* next() noexcept { return asked_ ? window_.next() : nullptr; }
    void sent() noexcept { window_.sent(); }
    void unsent() noexcept { window_.unsent(); }

    final_state take_end() { return std::move(how_); }
    const final_state& end() const noexcept { return how_; }

private:
    const std::uint64_t total_;
    const std::string told_;
    artifact_reader reader_;
    final_state how_;
    log_window window_{k_window};
    bool asked_ = false;  // the controller has said where to begin
};

}  // namespace sigrun
