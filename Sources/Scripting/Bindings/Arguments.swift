import Basics
import Lua
import Tensors

/// Arguments that several bindings read.
extension LuaCall {
  /// Sizes from a list, or from all arguments from this one on.
  func sizes(_ argument: Int) throws -> [Int] {
    if kind(argument) == .table { return try integers(argument) }
    guard count >= argument else { return [] }
    return try (argument...count).map(integer)
  }

  /// A list of integers.
  func integers(_ argument: Int) throws -> [Int] {
    try table(argument)
    var values: [Int] = []
    try lua.forEachElement(at: argument) { element in
      guard let value = lua.integer(at: -1) else {
        throw argumentError(
          argument, "element \(element): integer expected, got \(lua.typeName(at: -1))")
      }
      values.append(value)
    }
    return values
  }

  /// The dtype that an argument names.
  func dtype(_ argument: Int) throws -> DType { try DType.named(string(argument)) }

  /// The key that a getter is asked for, argument 2; empty if it is no string.
  var fieldName: String { lua.string(at: 2) ?? "" }

  /// The error of a getter that does not know its key.
  func unknownField(of typeName: String, known: [String]) -> LuaError {
    LuaError(
      Diagnostic("a \(typeName) has no field or method \(name: fieldName)")
        .suggesting(fieldName, among: known.sorted()))
  }
}

extension DType {
  /// The dtype of a name; an error names the nearest.
  static func named(_ name: String) throws -> DType {
    if let dtype = DType(name: name) { return dtype }
    let known = allCases.flatMap { [$0.torchName, $0.rawValue] }
    throw LuaError(Diagnostic("unknown dtype \(name: name)").suggesting(name, among: known))
  }

  /// The dtype of a name, which must be one that can be computed.
  static func computed(named name: String, operation: String) throws -> DType {
    let dtype = try named(name)
    guard dtype.isArithmetic else { throw TensorError.notFloat(operation: operation, dtype) }
    return dtype
  }
}

extension LuaError {
  /// An error at the line where it was raised, or else at one that was noted before, unless it knows its own.
  static func located(_ error: any Error, _ position: SourceLocation?) -> LuaError {
    var located = error as? LuaError ?? LuaError(raised: error)
    if !located.kind.isFatal {
      located.diagnostic = located.diagnostic.at(located.raisedAt ?? position)
    }
    return located
  }

  static func located(_ message: DiagnosticMessage, _ position: SourceLocation?) -> LuaError {
    located(LuaError(message), position)
  }
}
