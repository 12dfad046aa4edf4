#include "work.hpp"

#include <cmath>

namespace sigrun::benchmark {
namespace {

constexpr int k_steps = 64;
constexpr double k_step = 0.0005;

}  // namespace

float_work::float_work() {
    for (std::size_t i = 0; i < bodies_.size(); ++i) {
        const double a = 0.7 * static_cast<double>(i), r = 1.0 + static_cast<double>(i);
        bodies_[i] = {
            r * std::cos(a),    r * std::sin(a), 0.1 * r, -std::sin(a) / std::sqrt(r), std::cos(a) / std::sqrt(r), 0,
            i == 0 ? 1.0 : 1e-3};
    }
}

void float_work::operator()() {
    for (int step = 0; step < k_steps; ++step) {
        for (std::size_t i = 0; i < bodies_.size(); ++i) {
            auto& a = bodies_[i];
            for (std::size_t j = i + 1; j < bodies_.size(); ++j) {
                auto& b = bodies_[j];
                const double dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z;
                const double square = dx * dx + dy * dy + dz * dz + 1e-6;
                const double pull = k_step / (square * std::sqrt(square));
                a.vx -= dx * b.mass * pull, a.vy -= dy * b.mass * pull, a.vz -= dz * b.mass * pull;
                b.vx += dx * a.mass * pull, b.vy += dy * a.mass * pull, b.vz += dz * a.mass * pull;
            }
        }
        for (auto& b : bodies_) b.x += k_step * b.vx, b.y += k_step * b.vy, b.z += k_step * b.vz;
    }
}

double float_work::energy() const noexcept {
    double sum = 0;
    for (const auto& b : bodies_) sum += 0.5 * b.mass * (b.vx * b.vx + b.vy * b.vy + b.vz * b.vz);
    return sum;
}

}  // namespace sigrun::benchmark
