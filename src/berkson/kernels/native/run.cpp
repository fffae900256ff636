// Chunks of rows on threads, added up in their order.

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "sparse_pass.hpp"

namespace berkson {
namespace {

constexpr double work_per_thread = 3e5;  // multiply-adds that are worth starting a thread for (some tens of microseconds)
constexpr ptrdiff_t slot_memory = ptrdiff_t(1) << 20;  // bytes of partial answers that may wait to be added, less for tables of less than 64 times that

// Chunks are handed out in order and their partial answers added in order.  A chunk's answer waits in one of a few slots
// until those before it are in, so memory does not grow with the number of chunks.
class Ledger {
public:
    Ledger(const Pass& pass, ptrdiff_t chunks, ptrdiff_t slots, double* total)
        : pass_(pass), chunks_(chunks), slots_(slots), size_(pass.sums + pass.minima), total_(total),
          done_(size_t(chunks)), partials_(new double[size_t(slots * size_)]) {}

    double* begin(ptrdiff_t& chunk) {  // nullptr: no chunk is left
        std::unique_lock<std::mutex> lock(mutex_);
        freed_.wait(lock, [&] { return started_ == chunks_ || started_ < added_ + slots_; });
        if (started_ == chunks_) return nullptr;
        chunk = started_++;
        lock.unlock();
        double* partial = slot(chunk);
        std::fill_n(partial, pass_.sums, 0.0);
        std::fill_n(partial + pass_.sums, pass_.minima, std::numeric_limits<double>::infinity());
        return partial;
    }

    void end(ptrdiff_t chunk) {
        std::lock_guard<std::mutex> lock(mutex_);
        done_[size_t(chunk)] = 1;
        for (; added_ < chunks_ && done_[size_t(added_)]; added_++) add(slot(added_));
        freed_.notify_all();
    }

private:
    double* slot(ptrdiff_t chunk) { return partials_.get() + chunk % slots_ * size_; }

    void add(const double* partial) {
        for (ptrdiff_t i = 0; i < pass_.sums; i++) total_[i] += partial[i];
        for (ptrdiff_t i = pass_.sums; i < size_; i++) total_[i] = min_or_nan(total_[i], partial[i]);
    }

    const Pass& pass_;
    const ptrdiff_t chunks_, slots_, size_;
    double* total_;
    std::vector<char> done_;
    std::unique_ptr<double[]> partials_;
    std::mutex mutex_;
    std::condition_variable freed_;
    ptrdiff_t started_ = 0, added_ = 0;
};

// Work space on a whole cache line.
class Scratch {
public:
    explicit Scratch(ptrdiff_t doubles) : memory_(new double[size_t(doubles) + 8]) {}
    double* get() const { return reinterpret_cast<double*>((reinterpret_cast<uintptr_t>(memory_.get()) + 63) & ~uintptr_t(63)); }

private:
    std::unique_ptr<double[]> memory_;
};

}  // namespace

void run(Kernel kernel, const Pass& pass, double work_per_row, int threads, double* total) {
    run(kernel, pass, work_per_row, threads, total, 64);
}

void run(Kernel kernel, const Pass& pass, double work_per_row, int threads, double* total, ptrdiff_t most_chunks) {
    std::fill_n(total, pass.sums, 0.0);
    std::fill_n(total + pass.sums, pass.minima, std::numeric_limits<double>::infinity());
    const ptrdiff_t least = pass.order >= 2 ? 512 : 64;  // rows, so that adding up a partial answer stays a small part
    const ptrdiff_t rows = round_up(larger(least, (pass.n + most_chunks - 1) / most_chunks), pass.block);
    const ptrdiff_t chunks = (pass.n + rows - 1) / rows;
    // Work space is kept to a sixteenth of X, or some megabytes
    const ptrdiff_t bytes = ptrdiff_t(sizeof(double)) * (pass.sums + pass.minima + Workspace::doubles(pass));
    const ptrdiff_t allowed = larger(1, (pass.n * pass.p / 2 + (ptrdiff_t(32) << 20)) / bytes);
    const ptrdiff_t useful = 1 + ptrdiff_t(work_per_row * double(pass.n) / work_per_thread);
    const ptrdiff_t workers = larger(1, smaller(smaller(threads, allowed), smaller(useful, chunks)));
    const ptrdiff_t memory = pass.X.data ? smaller(slot_memory, pass.X.rows * pass.p / 8) : slot_memory;
    const ptrdiff_t waiting = memory / (ptrdiff_t(sizeof(double)) * (pass.sums + pass.minima + 1));
    const ptrdiff_t slots = workers == 1 ? 1 : smaller(chunks, larger(workers, waiting));

    Ledger ledger(pass, chunks, slots, total);
    std::vector<Scratch> scratch;
    for (ptrdiff_t i = 0; i < workers; i++) scratch.emplace_back(Workspace::doubles(pass));
    auto work = [&](ptrdiff_t worker) {
        ptrdiff_t chunk;
        while (double* partial = ledger.begin(chunk)) {
            kernel(pass, chunk * rows, smaller(pass.n, (chunk + 1) * rows), scratch[size_t(worker)].get(), partial);
            ledger.end(chunk);
        }
    };
    std::vector<std::thread> others;
    others.reserve(size_t(workers));
    try {
        for (ptrdiff_t i = 1; i < workers; i++) others.emplace_back(work, i);
    } catch (const std::system_error&) {
        // no more threads to be had: those that started do it all
    }
    work(0);
    for (std::thread& other : others) other.join();
}

}  // namespace berkson
