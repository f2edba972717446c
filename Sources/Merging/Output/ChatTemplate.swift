import Basics
import SystemPackage

/// The Jinja text by which a tokenizer writes conversations, and where a model's files keep it.
///
/// transformers reads `chat_template.jinja`; before it had that file, the key `chat_template` of
/// tokenizer_config.json, whose value is a text or a list of named ones, and for processors the same key of
/// chat_template.json or processor_config.json.
package enum ChatTemplate {
  /// The template of a model's directory, `default` where there are several; `nil` if it has none that can be
  /// read.
  package static func read(in directory: FilePath) -> String? {
    if let text = text(in: directory) { return text }
    return jsonFiles.lazy.compactMap { name in
      (try? JSON(contentsOf: directory.appending(name)))?[key].flatMap(defaultText)
    }.first
  }

  /// The files with `template` in every place where the directory's files have one; where none has, in
  /// chat_template.jinja. All else in them is as it was.
  static func files(setting template: String, in directory: FilePath) throws -> [(
    name: String, text: [UInt8]
  )] {
    var files: [(name: String, text: [UInt8])] = []
    for name in jsonFiles {
      let path = directory.appending(name)
      guard (try? path.stat())?.type == .regular else { continue }
      var value = try JSON(contentsOf: path)
      guard let old = value[key], !old.isNull else { continue }
      value[path: [key]] = .string(template)
      files.append((name, value.utf8(.pretty, trailingNewline: true)))
    }
    if files.isEmpty || text(in: directory) != nil { files.append((textFile, Array(template.utf8))) }
    return files
  }

  private static let key = "chat_template"
  private static let textFile = "chat_template.jinja"
  private static let jsonFiles = ["tokenizer_config.json", "chat_template.json", "processor_config.json"]

  private static func text(in directory: FilePath) -> String? {
    guard let file = try? InputFile(path: directory.appending(textFile)),
      file.identity.byteCount <= largestText
    else { return nil }
    return (try? file.bytes(at: 0, count: file.identity.byteCount)).map {
      String(decoding: $0, as: UTF8.self)
    }
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
