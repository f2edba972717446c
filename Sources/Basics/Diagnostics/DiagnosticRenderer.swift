/// Words diagnostics, and nothing else does: as a sentence for a terminal, or as JSON for a program.
package struct DiagnosticRenderer: Sendable {
  package enum Severity: String, Sendable {
    case error, warning, notice
  }

  package init() {}

  /// The whole sentence: `config.yml:7:5: models[2].weight: expected a number, found 'half'`.
  package func sentence(_ diagnostic: Diagnostic) -> String {
    guard let location = diagnostic.location else { return unlocated(diagnostic) }
    return DisplayText.plain(location.description) + ": " + unlocated(diagnostic)
  }

  /// The sentence without the location.
  package func unlocated(_ diagnostic: Diagnostic) -> String {
    var context: [String] = []
    if let file = diagnostic.file { context.append(DisplayText.plain(file)) }
    if let model = diagnostic.model, !mentions(diagnostic, .model(model)) {
      context.append("model \(DisplayText.name(model))")
    }
    if let tensor = diagnostic.tensor, !mentions(diagnostic, .tensor(tensor)) {
      context.append("tensor \(DisplayText.name(tensor))")
    }
    // A config does not know the functions of the script API.
    let function = diagnostic.syntax == .lua ? diagnostic.function : nil
    let path = text(diagnostic.keyPath, diagnostic.syntax)
    if case .item = diagnostic.keyPath.steps.first {
      context.append((function ?? "") + path)
    } else {
      context += [function, path.isEmpty ? nil : path].compactMap { $0 }
    }
    return (context + [words(diagnostic)]).joined(separator: ": ")
  }

  /// What was wrong, without its context.
  package func words(_ diagnostic: Diagnostic) -> String {
    var text = self.text(diagnostic.message, diagnostic.syntax)
    if let expected = diagnostic.expected {
      text += (text.isEmpty ? "" : "; ") + "expected " + self.text(expected, diagnostic.syntax)
      if let found = diagnostic.found { text += ", found " + self.text(found, diagnostic.syntax) }
    } else if let found = diagnostic.found {
      text += ", found " + self.text(found, diagnostic.syntax)
    }
    if let suggestion = diagnostic.suggestion {
      text += " (" + self.text(suggestion) + ")"
    } else if !diagnostic.known.isEmpty {
      text += " (known: \(diagnostic.known.map(DisplayText.plain).joined(separator: ", ")))"
    }
    for note in diagnostic.notes { text += " (" + self.text(note, diagnostic.syntax) + ")" }
    return text
  }

  /// The one wording of "did you mean".
  private func text(_ suggestion: Diagnostic.Suggestion) -> String {
    "did you mean \(suggestion.kind.map { "the \($0) " } ?? "")\(DisplayText.name(suggestion.name))"
      + (suggestion.written.map { " by \(DisplayText.name($0))" } ?? "")
      + (suggestion.position.map { " at \(DisplayText.plain($0))" } ?? "") + "?"
  }

  private func mentions(_ diagnostic: Diagnostic, _ part: DiagnosticMessage.Part) -> Bool {
    diagnostic.message.parts.contains(part) || diagnostic.expected?.parts.contains(part) == true
      || diagnostic.found?.parts.contains(part) == true
  }

  // MARK: Parts

  /// The words of a message, with the values in it in a syntax.
  package func text(_ message: DiagnosticMessage, _ syntax: Diagnostic.Syntax = .lua) -> String {
    message.parts.map { text($0, syntax) }.joined()
  }

  /// A key path, whose last name is that of the user's language.
  private func text(_ path: KeyPath, _ syntax: Diagnostic.Syntax) -> String {
    var path = path
    if syntax == .yaml, case .key(let name) = path.steps.last, let other = Self.configNames[name] {
      path.steps[path.steps.count - 1] = .key(other)
    }
    return DisplayText.plain(path.description)
  }

  private func text(_ part: DiagnosticMessage.Part, _ syntax: Diagnostic.Syntax) -> String {
    switch part {
    case .words(let text): text
    case .plain(let text): DisplayText.plain(text)
    case .name(let name), .tensor(let name), .model(let name): DisplayText.name(name)
    case .key(let name): syntax == .yaml ? Self.configNames[name] ?? name : name
    case .value(let value): text(value, syntax)
    case .suggestion(let suggestion): " (" + text(suggestion) + ")"
    case .foreign(let text): DisplayText.foreign(text)
    }
  }

  /// What configs call what recipes name otherwise.
  private static let configNames = [
    "base": "base_model", "layers": "layer_range", "method": "merge_method", "gates": "gate_mode",
  ]

  private func text(_ value: DiagnosticValue, _ syntax: Diagnostic.Syntax) -> String {
    switch value {
    case .null: return syntax == .lua ? "nil" : "null"
    case .boolean(let value): return value ? "true" : "false"
    case .integer(let value): return String(value)
    case .number(let value): return "\(value)"
    case .text(let text): return DisplayText.name(text)
    case .list(let list):
      let items = list.map { text($0, syntax) }.joined(separator: ", ")
      return syntax == .lua ? (items.isEmpty ? "{}" : "{ \(items) }") : "[\(items)]"
    case .fields(let fields):
      let items = fields.map { field in
        DisplayText.plain(field.key) + (syntax == .lua ? " = " : ": ") + text(field.value, syntax)
      }.joined(separator: ", ")
      return syntax == .lua ? (items.isEmpty ? "{}" : "{ \(items) }") : "{\(items)}"
    }
  }

  // MARK: JSON

  /// What a program reads: the sentence, and all fields that are known.
  package func json(_ diagnostic: Diagnostic, severity: Severity) -> JSON {
    var object: JSONObject = [
      "event": "diagnostic", "severity": .string(severity.rawValue), "message": .string(sentence(diagnostic)),
    ]
    if let location = diagnostic.location {
      var place: JSONObject = ["path": .string(location.path)]
      if let line = location.line { place["line"] = JSON(line) }
      if let column = location.column { place["column"] = JSON(column) }
      object["location"] = .object(place)
    }
    func add(_ key: String, _ text: String?) { if let text { object[key] = .string(text) } }
    add("key_path", diagnostic.keyPath.isEmpty ? nil : text(diagnostic.keyPath, diagnostic.syntax))
    add("file", diagnostic.file)
    add(
      "model",
      diagnostic.model ?? mentioned(diagnostic) { if case .model(let name) = $0 { name } else { nil } })
    add(
      "tensor",
      diagnostic.tensor ?? mentioned(diagnostic) { if case .tensor(let name) = $0 { name } else { nil } })
    add("expected", diagnostic.expected.map { text($0, diagnostic.syntax) })
    add("found", diagnostic.found.map { text($0, diagnostic.syntax) })
    add(
      "suggestion",
      diagnostic.suggestion?.name
        ?? mentioned(diagnostic) { if case .suggestion(let meant) = $0 { meant.name } else { nil } })
    if !diagnostic.notes.isEmpty {
      object["notes"] = .array(diagnostic.notes.map { .string(text($0, diagnostic.syntax)) })
    }
    return .object(object)
  }

  /// The first name of a kind in the message.
  private func mentioned(_ diagnostic: Diagnostic, _ name: (DiagnosticMessage.Part) -> String?) -> String? {
    diagnostic.message.parts.lazy.compactMap(name).first
  }
}
