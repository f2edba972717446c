import Lua
import Tensors

/// Nested lists of numbers as tensors.
enum NestedList {
  /// Reads a number or a list of lists of numbers in an argument; its shape is that of the first entries.
  static func read(_ call: LuaCall, _ argument: Int, into elements: inout [Float]) throws -> Shape {
    if call.kind(argument) == .number {
      elements.append(Float(try call.number(argument)))
      return .scalar
    }
    try call.table(argument)
    var sizes: [Int] = []
    var charged = 0
    defer { call.lua.discharge(charged) }
    try read(call, argument, at: argument, depth: 0, &sizes, &elements, &charged)
    return try Shape(checking: sizes)
  }

  private static func read(
    _ call: LuaCall, _ argument: Int, at index: Int, depth: Int, _ sizes: inout [Int],
    _ elements: inout [Float], _ charged: inout Int
  ) throws {
    guard depth < 16 else { throw call.argumentError(argument, "lists nest more than 16 deep") }
    let lua = call.lua
    let length = lua.length(at: index)
    if sizes.count == depth { sizes.append(length) }
    guard sizes[depth] == length else {
      throw call.argumentError(argument, "lists of \(sizes[depth]) and \(length) elements side by side")
    }
    try lua.forEachElement(at: index) { _ in
      // Lists may share lists, so that few tables stand for many numbers.
      if elements.count * 4 - charged >= 1 << 16 {
        try lua.checkInterrupt()
        try lua.charge(elements.count * 4 - charged)
        charged = elements.count * 4
      }
      switch lua.kind(at: -1) {
      case .number where sizes.count == depth + 1:
        elements.append(Float(lua.number(at: -1) ?? .nan))
      // Elements that were read without a list below this one stand in this one.
      case .table where sizes.count > depth + 1 || elements.isEmpty:
        try read(call, argument, at: lua.absolute(-1), depth: depth + 1, &sizes, &elements, &charged)
      case .number, .table:
        throw call.argumentError(argument, "numbers and lists side by side")
      default:
        throw call.argumentError(argument, "number or list expected, got \(lua.typeName(at: -1))")
      }
    }
  }

  /// Pushes the elements of a tensor as a list of lists, or a number.
  static func push(_ elements: [Double], _ shape: Shape, to lua: LuaState) throws -> Int {
    try push(elements[...], shape.dimensions[...], to: lua)
    return 1
  }

  private static func push(_ elements: ArraySlice<Double>, _ sizes: ArraySlice<Int>, to lua: LuaState) throws
  {
    guard let size = sizes.first else { return try lua.push(elements.first ?? .nan) }
    try lua.createTable(elements: size)
    let part = size > 0 ? elements.count / size : 0
    for index in 0..<size {
      let start = elements.startIndex + index * part
      try push(elements[start..<start + part], sizes.dropFirst(), to: lua)
      try lua.setElement(index + 1, at: -2)
    }
  }
}
