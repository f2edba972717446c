/// SentencePiece's way with spaces: they become a visible character, by which words begin.
struct Metaspace: Sendable {
  enum Prepending: String, CaseIterable {
    case first, never, always
  }

  let replacement: Unicode.Scalar
  let prepending: Prepending
  let splits: Bool

  init(_ component: Component) throws {
    replacement = try component.scalar("replacement")
    let name = try component.optionalString("prepend_scheme") ?? Prepending.always.rawValue
    guard let scheme = Prepending(rawValue: name) else {
      throw TokenizationError.badValue(
        file: component.file, place: "\(component.place).prepend_scheme", expected: "first, never or always",
        found: "'\(name)'")
    }
    // An older spelling of `never`.
    let addsSpace = try component.bool("add_prefix_space", default: true)
    if !addsSpace, component.field("prepend_scheme") != nil, scheme != .never {
      throw component.unusable("add_prefix_space is false, and prepend_scheme is '\(name)'")
    }
    prepending = addsSpace ? scheme : .never
    splits = try component.bool("split", default: true)
  }

  func apply(to text: inout PieceText) {
    let mark = Array(UTF8.encode(replacement)!)
    text.transform { piece, isFirst, result in
      let prepends = prepending == .always || prepending == .first && isFirst
      if prepends, piece.first != 0x20, !piece.starts(with: mark) { result.append(contentsOf: mark) }
      for byte in piece {
        if byte == 0x20 { result.append(contentsOf: mark) } else { result.append(byte) }
      }
    }
    guard splits else { return }
    text.split(.mergedWithNext) { $0 == replacement }
  }
}
