#include "h2/outbox.hpp"

#include <algorithm>
#include <cstring>

namespace sigrun::grpc {

void outbox::push(std::string message) {
    bytes_ += message.size();
    control_.push_back(std::move(message));
}

void outbox::push_bulk(std::string message, std::uint64_t key, std::uint64_t charge) {
    bytes_ += message.size();
    if (key) ++keys_[key];
    bulk_.push_back({std::move(message), key, charge});
}

bool outbox::next() {
    taken_ = 0;
    current_.clear();
    if (!control_.empty()) {
        current_ = std::move(control_.front());
        control_.pop_front();
        return true;
    }
    if (bulk_.empty() || (bulk_.front().charge && credit_ <= 0)) return false;
    auto& head = bulk_.front();
    current_ = std::move(head.message);
    credit_ -= static_cast<std::int64_t>(head.charge);
    if (head.key) {
        auto found = keys_.find(head.key);
        if (--found->second == 0) keys_.erase(found);
    }
    bulk_.pop_front();
    return true;
}

std::size_t outbox::take(char* to, std::size_t room) {
    std::size_t done = 0;
    while (done < room) {
        if (taken_ == current_.size() && !next()) break;
        const auto n = std::min(room - done, current_.size() - taken_);
        std::memcpy(to + done, current_.data() + taken_, n);
        taken_ += n;
        done += n;
    }
    bytes_ -= done;
    return done;
}

void outbox::clear() {
    control_.clear();
    bulk_.clear();
    keys_.clear();
    current_.clear();
    taken_ = bytes_ = 0;
}

}  // namespace sigrun::grpc
