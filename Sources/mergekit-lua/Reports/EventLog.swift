import Logging
import Merging

/// Writes what the user wants to know of a run's events to the log.
struct EventLog {
  private let logger: Logger
  private let started = ProgressDisplay.now()

  init(_ logger: Logger) { self.logger = logger }

  func report(_ event: MergeEvent) {
    switch event {
    case .warning(let text): logger.warning("\(text)")
    case .finished(let outputs):
      let seconds = Numbers.fixed(ProgressDisplay.now() - started, 2)
      for (index, output) in outputs.enumerated() {
        let time = index == outputs.count - 1 ? " in \(seconds) s" : ""
        logger.info("wrote \(output.path): \(output.tensors) tensors\(time)")
      }
    case .planned, .tensorBegun, .tensorDone, .computing: break
    }
  }
}
