import Basics
import Glibc
import Merging

/// Shows how far an output is: a bar on a terminal, else a line every tenth.
final class ProgressDisplay {
  private let isEnabled: Bool
  private var path = ""
  private var started = 0.0
  private var shown = 0.0
  private var tenths = 0

  init(isEnabled: Bool) { self.isEnabled = isEnabled }

  /// Seconds of a clock that only goes forward.
  static func now() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  func update(_ path: String, _ progress: ModelWriter.Progress) {
    guard isEnabled else { return }
    let now = Self.now()
    if path != self.path {
      self.path = path
      started = now
      shown = 0
      tenths = 0
    }
    let part = progress.byteCount > 0 ? Double(progress.bytes) / Double(progress.byteCount) : 1
    let isLast = progress.tensors == progress.tensorCount
    if Terminal.errorIsTerminal {
      guard isLast || now - shown >= 0.1 else { return }
      shown = now
      let filled = Int(part * 24)
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 24 - filled)
      Terminal.write("\r\u{1B}[K\(bar) \(words(progress, part, now))")
      if isLast { Terminal.clearProgress() }
    } else {
      let reached = Int(part * 10)
      guard reached > tenths else { return }
      tenths = reached
      Terminal.error("\(path): \(reached * 10) % \(words(progress, part, now))")
    }
  }

  private func words(_ progress: ModelWriter.Progress, _ part: Double, _ now: Double) -> String {
    let seconds = now - started
    var words = "\(progress.tensors)/\(progress.tensorCount) tensors, \(ByteSize.format(progress.bytes))"
    if seconds > 0.2 {
      words += ", \(Numbers.fixed(Double(progress.bytes) / seconds / 1e9, 2)) GB/s"
      if part > 0, part < 1 { words += ", \(Numbers.duration(seconds / part * (1 - part))) left" }
    }
    return words
  }
}
