import Basics
import Glibc
import Merging
import SystemPackage

/// Shows how far the outputs of a run are: a bar on a terminal, else a line every tenth. A merge that is done
/// sooner than it is read of shows nothing.
final class ProgressDisplay {
  private let isEnabled: Bool
  private let patience: Double
  /// What the progress is of: an output, or the folder of several.
  private var path = FilePath()
  private var started = 0.0
  private var shown = 0.0
  private var tenths = 0
  private var done = Count()
  private var total = Count()

  private struct Count {
    var tensors = 0
    var bytes = 0
  }

  /// - Parameter patience: Seconds of a merge before its progress is shown.
  init(isEnabled: Bool, patience: Double) {
    self.isEnabled = isEnabled && Terminal.format == .text
    self.patience = patience
  }

  /// Seconds of a clock that only goes forward.
  static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  func report(_ event: MergeEvent) {
    guard isEnabled else { return }
    switch event {
    case .planned(let outputs): begin(outputs)
    case .tensorDone(let tensor):
      done.tensors += 1
      done.bytes += tensor.bytes
      update()
    case .finished: Terminal.clearProgress()
    case .computing(let what, let done, let count): update(what, done, count)
    case .warning, .tensorBegun: break
    }
  }

  private func begin(_ outputs: [MergeEvent.Output]) {
    path = outputs.count == 1 ? outputs[0].path : outputs.first?.path.removingLastComponent() ?? FilePath()
    started = Self.now()
    shown = started
    tenths = 0
    done = Count()
    total = Count(
      tensors: outputs.reduce(0) { $0 + $1.tensors }, bytes: outputs.reduce(0) { $0 + $1.bytes })
  }

  private func update() {
    let part = total.bytes > 0 ? Double(done.bytes) / Double(total.bytes) : 1
    show(part, path.string) { words(part, $0) }
  }

  /// Shows how far steps are that write nothing.
  private func update(_ what: String, _ done: Int, _ count: Int) {
    if done <= 1 {
      started = Self.now()
      shown = started
      tenths = 0
    }
    let part = Double(done) / Double(max(1, count))
    show(part, what) { seconds in
      let left = part < 1 ? ", \(Numbers.duration(seconds / part * (1 - part))) left" : ""
      return "\(what): \(done)/\(count)\(left)"
    }
    if done == count { Terminal.clearProgress() }
  }

  /// Shows which part is done, in `words` for the seconds that it took: a bar on a terminal, else a line every tenth.
  private func show(_ part: Double, _ title: String, _ words: (Double) -> String) {
    let now = Self.now()
    guard now - started >= patience else { return }
    if Terminal.errorIsTerminal {
      guard now - shown >= 0.1 else { return }
      shown = now
      let filled = Int(part * 24)
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
      Terminal.write("\r\u{1B}[K\(bar) \(words(now - started))")
    } else {
      let reached = Int(part * 10)
      guard reached > tenths else { return }
      tenths = reached
      Terminal.error("\(title): \(reached * 10) % \(words(now - started))")
    }
  }

  private func words(_ part: Double, _ seconds: Double) -> String {
    var words =
      "\(done.tensors)/\(total.tensors) tensors, \(ByteSize.format(done.bytes)), "
      + "\(Numbers.fixed(Double(done.bytes) / max(seconds, 1e-9) / 1e9, 2)) GB/s"
    if part > 0, part < 1 { words += ", \(Numbers.duration(seconds / part * (1 - part))) left" }
    return words
  }
}
