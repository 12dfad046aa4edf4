// The shim's connection to whoever is its executor at the time: the one that started it, later perhaps another that came to the
// socket in the attempt's folder. Single-threaded.
#pragma once

#include <sigrun/shim.h>

#include <string>

namespace sigrun::shim {

class executor_channel {
public:
    /// `folder`: where to wait for the next executor; -1: there will be none.
    executor_channel(int control, int folder) : control_(control), folder_(folder) {}

    bool connected() const noexcept { return control_ >= 0; }
    /// What to poll for input, or -1.
    int descriptor() const noexcept { return connected() ? control_ : listener_; }
    /// Messages that came, oldest first: `take` gets each head and its body. False: the executor is gone.
    template <class Take>
    bool receive(Take take) {
        bool open = read_all();
        sigrun_shim_head head{};
        while (next(head)) {
            take(head, inbox_.data() + sizeof head);
            inbox_.erase(0, sizeof head + head.length);
        }
        return open;
    }
    /// Small messages only; one that finds no executor is dropped.
    void send(std::uint32_t type, const void* body, std::size_t size) const;

    /// The executor is gone. False: nobody can come in its place.
    bool wait_for_another();
    /// Somebody came to the socket. True: there is an executor again.
    bool accept();
    /// Nobody is waited for any more.
    void stop_waiting();

private:
    static constexpr std::uint32_t k_longest_order = 256;
    bool read_all();
    bool next(sigrun_shim_head& head);

    int control_;
    int folder_;
    int listener_ = -1;
    std::string inbox_;
};

}  // namespace sigrun::shim
