import Basics

/// The Jinja text by which a tokenizer writes conversations, and where a model's files keep it.
///
/// transformers reads `chat_template.jinja`; before it had that file, the key `chat_template` of
/// tokenizer_config.json, whose value is a text or a list of named ones, and for processors the same key of
/// chat_template.json or processor_config.json.
package enum ChatTemplate {
  /// The template of a model's files, `default` where there are several; `nil` if it has none that can be
  /// read.
  package static func read(in files: any ModelFiles) -> String? {
    if let text = text(in: files) { return text }
    return jsonFiles.lazy.compactMap { name in (try? files.json(name))?[key].flatMap(defaultText) }.first
  }

  /// The files with `template` in every place where the model's files have one; where none has, in
  /// chat_template.jinja. All else in them is as it was.
  static func changes(setting template: String, in files: any ModelFiles) throws -> [(
    name: String, text: [UInt8]
  )] {
    var changes: [(name: String, text: [UInt8])] = []
    for name in jsonFiles {
      guard var value = try files.optionalJSON(name), let old = value[key], !old.isNull else { continue }
      value[path: [key]] = .string(template)
      changes.append((name, value.utf8(.pretty, trailingNewline: true)))
    }
    if changes.isEmpty || text(in: files) != nil { changes.append((textFile, Array(template.utf8))) }
    return changes
  }

  private static let key = "chat_template"
  private static let textFile = "chat_template.jinja"
  private static let jsonFiles = ["tokenizer_config.json", "chat_template.json", "processor_config.json"]

  private static func text(in files: any ModelFiles) -> String? {
    guard let text = try? files.open(textFile).contents(atMost: largestText) else { return nil }
    return String(decoding: text, as: UTF8.self)
  }

  /// A longer text is no template.
  private static let largestText = 16 << 20

  /// The text of a value that is one, or has named ones.
  private static func defaultText(_ value: JSON) -> String? {
    if let text = value.stringValue { return text }
    if let named = value["default"]?.stringValue { return named }
    return value.arrayValue?.first { $0["name"]?.stringValue == "default" }?["template"]?.stringValue
  }
}
