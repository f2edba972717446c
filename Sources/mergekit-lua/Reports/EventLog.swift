import Logging
import Merging

/// Writes what the user wants to know of a run's events to standard error.
final class EventLog {
  private let logger: Logger
  private let started = ProgressDisplay.now()
  private var outputs: [MergeEvent.Output] = []

  init(_ logger: Logger) { self.logger = logger }

  func report(_ event: MergeEvent) {
    if case .planned(let planned) = event { outputs = planned }
    switch (event, Terminal.format) {
    case (.warning(let warning), _): Terminal.report(warning, .warning)
    case (_, .json):
      if logger.logLevel <= .info { Terminal.report(event.json(in: outputs)) }
    case (.finished(let outputs), .text):
      let seconds = Numbers.fixed(ProgressDisplay.now() - started, 2)
      for (index, output) in outputs.enumerated() {
        let time = index == outputs.count - 1 ? " in \(seconds) s" : ""
        logger.info("wrote \(output.path): \(output.tensors) tensors\(time)")
      }
    case (.planned, .text), (.tensorBegun, .text), (.tensorDone, .text), (.computing, .text): break
    }
  }
}
