import CMemory
import Glibc

/// Threads that run the units of sweeps, those of the oldest expression first.
///
/// `@unchecked Sendable`: every mutable member is guarded by `mutex`.
final class WorkerPool: @unchecked Sendable {
  private let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let workArrived: UnsafeMutablePointer<pthread_cond_t>
  private let sweepEnded: UnsafeMutablePointer<pthread_cond_t>
  private var queue: [Sweep] = []
  private var ended: [Sweep] = []
  private var threads: [pthread_t] = []
  private var running = 0
  /// Threads that wait for work.
  private var idle = 0
  /// Elements, or bytes of copies, in sweeps that were queued since threads were last woken.
  private var unannounced = 0
  private var closing = false
  let threadCount: Int

  init(threads count: Int) {
    threadCount = max(1, count)
    mutex = .allocate(capacity: 1)
    workArrived = .allocate(capacity: 1)
    sweepEnded = .allocate(capacity: 1)
    pthread_mutex_init(mutex, nil)
    pthread_cond_init(workArrived, nil)
    pthread_cond_init(sweepEnded, nil)
  }

  deinit {
    pthread_cond_destroy(workArrived)
    pthread_cond_destroy(sweepEnded)
    pthread_mutex_destroy(mutex)
    mutex.deallocate()
    workArrived.deallocate()
    sweepEnded.deallocate()
  }

  /// Ends the threads once they have finished the units that they are at. Must be called; threads hold
  /// the pool.
  func close() {
    locked {
      closing = true
      queue = []
      pthread_cond_broadcast(workArrived)
    }
    for thread in threads { pthread_join(thread, nil) }
    threads = []
  }

  private func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    pthread_mutex_lock(mutex)
    defer { pthread_mutex_unlock(mutex) }
    return try body()
  }

  /// What is worth waking a thread for; smaller sweeps wait for others, or for `nextEnded` to wait.
  private static let worthWaking = 1 << 16

  /// Queues a sweep; a sweep without units has ended at once.
  func submit(_ sweep: Sweep) {
    if threads.isEmpty { start() }
    locked {
      if sweep.partition.unitCount == 0 {
        ended.append(sweep)
        pthread_cond_signal(sweepEnded)
        return
      }
      // An expression that has begun goes on before those after it: its inputs may still lie in a cache, and
      // what it holds is soon let go. A sweep that has begun is ended first.
      let begun = queue.first.map { $0.nextUnit > 0 } ?? false
      let place = queue.dropFirst(begun ? 1 : 0).firstIndex { $0.order > sweep.order }
      queue.insert(sweep, at: place ?? queue.count)
      unannounced += sweep.partition.size
      if unannounced >= Self.worthWaking { announce() }
    }
  }

  /// Wakes as many threads as there is work for. Within the lock.
  private func announce() {
    unannounced = 0
    guard idle > 0, let first = queue.first else { return }
    if queue.count == 1, first.partition.unitCount - first.nextUnit == 1 {
      pthread_cond_signal(workArrived)
    } else {
      pthread_cond_broadcast(workArrived)
    }
  }

  /// A sweep that has ended, or `nil` if none has after `milliseconds`.
  func nextEnded(waiting milliseconds: Int) -> Sweep? {
    locked {
      if ended.isEmpty, milliseconds > 0 {
        announce()
        var deadline = timespec()
        clock_gettime(CLOCK_REALTIME, &deadline)
        deadline.tv_nsec += milliseconds % 1000 * 1_000_000
        deadline.tv_sec += milliseconds / 1000 + deadline.tv_nsec / 1_000_000_000
        deadline.tv_nsec %= 1_000_000_000
        pthread_cond_timedwait(sweepEnded, mutex, &deadline)
      }
      return ended.isEmpty ? nil : ended.removeFirst()
    }
  }

  /// Drops what is queued, and waits for the units that are being run.
  func cancel() {
    locked {
      queue = []
      while running > 0 { pthread_cond_wait(sweepEnded, mutex) }
      ended = []
    }
  }

  private func start() {
    for index in 0..<threadCount {
      var thread = pthread_t()
      let start = Unmanaged.passRetained(ThreadStart(pool: self, index: index))
      var attributes = pthread_attr_t()
      pthread_attr_init(&attributes)
      // Splices nest programs a few frames deep; the default of the machine is not relied on.
      pthread_attr_setstacksize(&attributes, 4 << 20)
      let status = pthread_create(
        &thread, &attributes,
        { argument in
          let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
          start.pool.work(index: start.index)
          return nil
        }, start.toOpaque())
      pthread_attr_destroy(&attributes)
      guard status == 0 else {
        start.release()
        // Fewer do it too, if more slowly.
        if index == 0 { memory_refused(4 << 20) }
        return
      }
      threads.append(thread)
    }
  }

  private final class ThreadStart {
    let pool: WorkerPool
    let index: Int

    init(pool: WorkerPool, index: Int) {
      self.pool = pool
      self.index = index
    }
  }

  private func work(index: Int) {
    // The state for the sweep that this thread last worked at.
    var current: (sweep: Sweep, worker: any SweepWorker)?
    pthread_mutex_lock(mutex)
    while true {
      guard let sweep = queue.first else {
        current = nil
        if closing { break }
        idle += 1
        pthread_cond_wait(workArrived, mutex)
        idle -= 1
        continue
      }
      let unit = sweep.nextUnit
      sweep.nextUnit += 1
      if sweep.nextUnit == sweep.partition.unitCount { queue.removeFirst() }
      running += 1
      pthread_mutex_unlock(mutex)

      var failure: (any Error)?
      if current?.sweep !== sweep { current = (sweep, sweep.work.makeWorker(index: index)) }
      do {
        try current!.worker.run(unit: unit, range: sweep.partition.range(ofUnit: unit))
      } catch { failure = error }

      pthread_mutex_lock(mutex)
      running -= 1
      sweep.unitsDone += 1
      if let failure, sweep.failure == nil {
        sweep.failure = failure
        // The rest of the sweep is pointless.
        if let position = queue.firstIndex(where: { $0 === sweep }) {
          queue.remove(at: position)
          sweep.unitsDone += sweep.partition.unitCount - sweep.nextUnit
          sweep.nextUnit = sweep.partition.unitCount
        }
      }
      if sweep.unitsDone == sweep.partition.unitCount { ended.append(sweep) }
      if !ended.isEmpty || running == 0 { pthread_cond_signal(sweepEnded) }
    }
    pthread_mutex_unlock(mutex)
  }
}
