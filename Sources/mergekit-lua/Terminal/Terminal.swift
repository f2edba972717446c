import Basics
import Glibc
import Logging
import Merging

/// Standard error: messages, warnings, progress.
enum Terminal {
  static let errorIsTerminal = isatty(STDERR_FILENO) == 1

  /// How all of it is written.
  static let format = LogFormat.chosen(by: CommandLine.arguments)

  /// A message, with nothing in it that would move the cursor or turn the text, whoever worded it.
  static func error(_ text: String) { write(DisplayText.screen(text) + "\n") }

  /// Says what is wrong, with its severity before it.
  static func report(_ diagnostic: Diagnostic, _ severity: DiagnosticRenderer.Severity = .error) {
    clearProgress()
    switch format {
    case .text: error("\(severity.rawValue): \(diagnostic)")
    case .json: report(DiagnosticRenderer().json(diagnostic, severity: severity))
    }
  }

  /// Writes a line for a program.
  static func report(_ json: JSON) { write(DisplayText.document(json.text(.compact)) + "\n") }

  /// Wipes a progress bar, so that what follows has the line for itself.
  static func clearProgress() {
    if errorIsTerminal, format == .text { write("\r\u{1B}[K") }
  }

  static func write(_ text: String) {
    var text = text
    text.withUTF8 { bytes in
      var done = 0
      while done < bytes.count {
        let count = Glibc.write(STDERR_FILENO, bytes.baseAddress! + done, bytes.count - done)
        guard count > 0 else { return }
        done += count
      }
    }
  }
}

/// Log messages as a person at a terminal wants them: the level, unless it is plain information.
struct TerminalLogHandler: LogHandler {
  var metadata = Logger.Metadata()
  var logLevel = Logger.Level.notice

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    if Terminal.format == .json {
      let line: JSONObject = [
        "event": "log", "severity": .string("\(event.level)"), "message": .string("\(event.message)"),
      ]
      return Terminal.report(.object(line))
    }
    Terminal.clearProgress()
    Terminal.error(event.level <= .notice ? "\(event.message)" : "\(event.level): \(event.message)")
  }
}

extension Logger {
  /// The program's log at a level.
  static func make(level: Level) -> Logger {
    var logger = Logger(label: "mergekit-lua") { _ in TerminalLogHandler() }
    logger.logLevel = level
    return logger
  }
}
