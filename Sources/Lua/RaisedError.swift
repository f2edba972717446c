import Basics
import CLuaBridge

/// The errors of Swift functions while they are on their way through Lua.
///
/// Lua gets the sentence, as a text that scripts can use like any other; what it stands for is found again by the whole
/// text, as long as not many others were raised since. A value with `__concat` would be unsafe: Lua 5.4.4 writes into a
/// stack that was moved if such a function makes it grow.
struct RaisedErrors {
  /// How many are remembered.
  private static let most = 32

  private var errors: [String: LuaError] = [:]
  private var order: [String] = []

  /// Remembers an error, and returns its text.
  mutating func add(_ error: LuaError) -> String {
    let text = error.description
    if errors.updateValue(error, forKey: text) == nil {
      order.append(text)
      if order.count > Self.most { errors[order.removeFirst()] = nil }
    }
    return text
  }

  /// The error that a text stands for.
  subscript(text: String) -> LuaError? { errors[text] }
}

extension LuaState {
  /// The error that a Swift function raised, if its text is at a stack index.
  package func raisedError(at index: Int) -> LuaError? { string(at: index).flatMap { raisedErrors[$0] } }
}

extension SourceLocation {
  /// A position of the bridge; `nil` if it is none.
  init?(_ position: bridge_position) {
    guard position.line > 0 else { return nil }
    let file = withUnsafeBytes(of: position.file) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    self.init(path: file, line: Int(position.line))
  }
}

extension bridge_position {
  init(_ location: SourceLocation?) {
    self.init()
    guard let location, let line = location.line else { return }
    self.line = Int32(line)
    withUnsafeMutableBytes(of: &file) { bytes in
      bytes.copyBytes(from: Array(location.path.utf8.prefix(bytes.count - 1)))
    }
  }
}
