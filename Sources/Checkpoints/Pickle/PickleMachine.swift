import Basics
import Tensors

/// Reads a pickle as far as state dicts need it: protocols 2 to 5, containers, texts, numbers, and the few globals
/// of `PickleGlobal`. Executes nothing: what a global stands for is written here, and all others are refused by name.
///
/// The opcodes are those of CPython's `pickletools`; the persistent ids and the arguments of tensors are those that
/// `torch/serialization.py` and `torch/_utils.py` write.
struct PickleMachine {
  let bytes: [UInt8]
  private(set) var position = 0
  private(set) var elements: [PickleValue] = []
  private(set) var lists: [[PickleValue]] = []
  private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
  private(set) var storages: [PickleStorage] = []
  private(set) var tensors: [PickleTensor] = []
  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [PickleValue] = []
  /// Where the opcode that is executed begins.
  private var start = 0
  private var storageNumbers: [String: Int32] = [:]
  private var kept = 0

  /// Values that the machine keeps, at most: a state dict has some twenty for each tensor.
  static let mostValues = 2_000_000
  /// Marks that are open at once, at most.
  private static let mostMarks = 1000

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  /// Reads a pickle and returns what it holds, with the machine that has its parts.
  static func run(_ bytes: [UInt8]) throws -> (value: PickleValue, machine: PickleMachine) {
    var machine = PickleMachine(bytes)
    let value = try machine.run()
    return (value, machine)
  }

  /// The text of a string.
  func text(start: Int32, count: Int32) -> String {
    String(decoding: bytes[Int(start)..<Int(start) + Int(count)], as: UTF8.self)
  }

  /// The text of a value that is one.
  func text(_ value: PickleValue) -> String? {
    guard case .string(let start, let count) = value else { return nil }
    return text(start: start, count: count)
  }

  /// The elements of a value that is a tuple.
  func tuple(_ value: PickleValue) -> ArraySlice<PickleValue>? {
    guard case .tuple(let start, let count) = value else { return nil }
    return elements[Int(start)..<Int(start) + Int(count)]
  }

  // MARK: Opcodes

  private mutating func run() throws -> PickleValue {
    guard bytes.count >= 2, bytes[0] == 0x80 else {
      throw PickleProblem.badOperand(opcode: "PROTO", at: 0, expected: "to be the first opcode")
    }
    guard (2...5).contains(bytes[1]) else { throw PickleProblem.protocolVersion(Int(bytes[1])) }
    position = 2
    while true {
      start = position
      let opcode = try byte()
      if opcode == UInt8(ascii: ".") { break }
      if try runPlain(opcode) { continue }
      if try runContainer(opcode) { continue }
      try runReference(opcode)
    }
    guard stack.count == 1, marks.isEmpty else { throw bad("STOP", "one value on the stack") }
    return stack[0]
  }

  /// Numbers, texts, and what is put on the stack as it is.
  private mutating func runPlain(_ opcode: UInt8) throws -> Bool {
    switch opcode {
    case UInt8(ascii: "N"): try push(.none)
    case 0x88: try push(.bool(true))
    case 0x89: try push(.bool(false))
    case UInt8(ascii: "K"): try push(.int(Int(try byte())))
    case UInt8(ascii: "M"): try push(.int(Int(try number(UInt16.self))))
    case UInt8(ascii: "J"): try push(.int(Int(try number(Int32.self))))
    case 0x8a: try pushLong()
    case UInt8(ascii: "G"): try push(.float(Double(bitPattern: try number(UInt64.self).byteSwapped)))
    case UInt8(ascii: "X"): try pushText(Int(try number(UInt32.self)))
    case 0x8c: try pushText(Int(try byte()))
    case 0x8d: try pushText(Int(exactly: try number(UInt64.self)) ?? .max)
    case UInt8(ascii: "U"): try pushText(Int(try byte()))
    case UInt8(ascii: "T"): try pushText(Int(try number(Int32.self)))
    case 0x95: _ = try number(UInt64.self)
    default: return false
    }
    return true
  }

  private mutating func runContainer(_ opcode: UInt8) throws -> Bool {
    switch opcode {
    case UInt8(ascii: "("):
      guard marks.count < Self.mostMarks else {
        throw PickleProblem.tooComplex(limit: "\(Self.mostMarks) open marks")
      }
      marks.append(stack.count)
    case UInt8(ascii: ")"): try push(makeTuple([]))
    case 0x85: try pushTuple(of: 1, "TUPLE1")
    case 0x86: try pushTuple(of: 2, "TUPLE2")
    case 0x87: try pushTuple(of: 3, "TUPLE3")
    case UInt8(ascii: "t"): try push(makeTuple(popMark("TUPLE")))
    case UInt8(ascii: "]"): try push(makeList())
    case UInt8(ascii: "}"): try push(makeDictionary())
    case UInt8(ascii: "a"): try append(try pop("APPEND", 1), "APPEND")
    case UInt8(ascii: "e"): try append(try popMark("APPENDS"), "APPENDS")
    case UInt8(ascii: "s"): try set(try pop("SETITEM", 2), "SETITEM")
    case UInt8(ascii: "u"): try set(try popMark("SETITEMS"), "SETITEMS")
    default: return false
    }
    return true
  }

  /// The memo, globals, and what is made of them.
  private mutating func runReference(_ opcode: UInt8) throws {
    switch opcode {
    case UInt8(ascii: "q"): try memoize(at: Int(try byte()), "BINPUT")
    case UInt8(ascii: "r"): try memoize(at: Int(try number(UInt32.self)), "LONG_BINPUT")
    case 0x94: try memoize(at: memo.count, "MEMOIZE")
    case UInt8(ascii: "h"): try recall(Int(try byte()), "BINGET")
    case UInt8(ascii: "j"): try recall(Int(try number(UInt32.self)), "LONG_BINGET")
    case UInt8(ascii: "c"): try pushGlobal(module: try line(), name: try line())
    case 0x93:
      let names = try pop("STACK_GLOBAL", 2).map(text)
      guard let module = names[0], let name = names[1] else { throw bad("STACK_GLOBAL", "two texts") }
      try pushGlobal(module: module, name: name)
    case UInt8(ascii: "Q"): try push(storage(try pop("BINPERSID", 1)[0]))
    case UInt8(ascii: "R"): try reduce()
    case UInt8(ascii: "b"): try build()
    default:
      throw PickleProblem.unknownOpcode(opcode, name: Self.refused[opcode], at: start)
    }
  }

  /// The names of opcodes that are known, and refused.
  private static let refused: [UInt8: String] = [
    0x28: "MARK", 0x30: "POP", 0x31: "POP_MARK", 0x32: "DUP", 0x46: "FLOAT", 0x49: "INT", 0x4c: "LONG",
    0x50: "PERSID", 0x53: "STRING", 0x56: "UNICODE", 0x67: "GET", 0x70: "PUT", 0x64: "DICT", 0x6c: "LIST",
    0x69: "INST", 0x6f: "OBJ", 0x81: "NEWOBJ", 0x92: "NEWOBJ_EX", 0x82: "EXT1", 0x83: "EXT2", 0x84: "EXT4",
    0x80: "PROTO", 0x8b: "LONG4", 0x42: "BINBYTES", 0x43: "SHORT_BINBYTES", 0x8e: "BINBYTES8",
    0x8f: "EMPTY_SET",
    0x90: "ADDITEMS", 0x91: "FROZENSET", 0x96: "BYTEARRAY8", 0x97: "NEXT_BUFFER", 0x98: "READONLY_BUFFER",
  ]

  // MARK: Reading

  private mutating func byte() throws -> UInt8 {
    guard position < bytes.count else { throw PickleProblem.endsEarly(at: position) }
    defer { position += 1 }
    return bytes[position]
  }

  private mutating func number<Number: FixedWidthInteger>(_ type: Number.Type) throws -> Number {
    let width = MemoryLayout<Number>.size
    guard bytes.count - position >= width else { throw PickleProblem.endsEarly(at: position) }
    defer { position += width }
    return bytes.withUnsafeBytes {
      Number(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: type))
    }
  }

  /// A line of text, without its end.
  private mutating func line() throws -> String {
    guard let end = bytes[position...].firstIndex(of: 0x0a) else {
      throw PickleProblem.endsEarly(at: bytes.count)
    }
    defer { position = end + 1 }
    return String(decoding: bytes[position..<end], as: UTF8.self)
  }

  private mutating func pushText(_ count: Int) throws {
    guard count >= 0, count <= bytes.count - position else { throw PickleProblem.endsEarly(at: position) }
    try push(.string(start: Int32(position), count: Int32(count)))
    position += count
  }

  /// LONG1: a number of any length, of which eight bytes are read.
  private mutating func pushLong() throws {
    let count = Int(try byte())
    guard count <= bytes.count - position else { throw PickleProblem.endsEarly(at: position) }
    guard count <= 8 else { throw bad("LONG1", "a number of 64 bits") }
    var value: UInt64 = 0
    for index in 0..<count { value |= UInt64(bytes[position + index]) << (8 * UInt64(index)) }
    position += count
    // The sign is that of the last byte.
    let unused = UInt64(64 - 8 * count)
    try push(.int(count == 0 ? 0 : Int(Int64(bitPattern: value << unused) >> Int64(unused))))
  }

  // MARK: The stack

  private func bad(_ opcode: String, _ expected: String) -> PickleProblem {
    .badOperand(opcode: opcode, at: start, expected: expected)
  }

  private mutating func push(_ value: PickleValue) throws {
    stack.append(value)
    if stack.count > Self.mostValues / 3 { throw Self.tooManyValues }
  }

  private static let tooManyValues = PickleProblem.tooComplex(limit: "\(mostValues) values")

  /// Counts values that are kept.
  private mutating func keep(_ count: Int) throws {
    kept += count
    if kept > Self.mostValues { throw Self.tooManyValues }
  }

  /// Takes the last values from the stack, of those that follow the last mark.
  private mutating func pop(_ opcode: String, _ count: Int) throws -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else {
      throw bad(opcode, count == 1 ? "a value on the stack" : "\(count) values on the stack")
    }
    let values = Array(stack.suffix(count))
    stack.removeLast(count)
    return values
  }

  /// Takes the values from the stack that follow the last mark, and the mark.
  private mutating func popMark(_ opcode: String) throws -> [PickleValue] {
    guard let mark = marks.popLast() else { throw bad(opcode, "a mark") }
    let values = Array(stack[mark...])
    stack.removeLast(stack.count - mark)
    return values
  }

  private mutating func memoize(at index: Int, _ opcode: String) throws {
    guard let value = stack.last, stack.count > marks.last ?? 0 else {
      throw bad(opcode, "a value on the stack")
    }
    if index < memo.count {
      memo[index] = value
    } else {
      // Those who write pickles count from 0.
      guard index == memo.count else { throw bad(opcode, "the number \(memo.count), found \(index)") }
      try keep(1)
      memo.append(value)
    }
  }

  private mutating func recall(_ index: Int, _ opcode: String) throws {
    guard index < memo.count else { throw bad(opcode, "a value of that number, \(index)") }
    try push(memo[index])
  }

  // MARK: Containers

  private mutating func makeTuple(_ values: [PickleValue]) throws -> PickleValue {
    try keep(values.count)
    let start = Int32(elements.count)
    elements += values
    return .tuple(start: start, count: Int32(values.count))
  }

  private mutating func pushTuple(of count: Int, _ opcode: String) throws {
    try push(makeTuple(pop(opcode, count)))
  }

  private mutating func makeList() throws -> PickleValue {
    try keep(1)
    lists.append([])
    return .list(Int32(lists.count - 1))
  }

  private mutating func makeDictionary() throws -> PickleValue {
    try keep(1)
    dictionaries.append([])
    return .dictionary(Int32(dictionaries.count - 1))
  }

  private mutating func append(_ values: [PickleValue], _ opcode: String) throws {
    guard case .list(let number)? = stack.last, stack.count > marks.last ?? 0 else {
      throw bad(opcode, "a list")
    }
    try keep(values.count)
    lists[Int(number)] += values
  }

  private mutating func set(_ values: [PickleValue], _ opcode: String) throws {
    guard case .dictionary(let number)? = stack.last, stack.count > marks.last ?? 0 else {
      throw bad(opcode, "a dict")
    }
    guard values.count % 2 == 0 else { throw bad(opcode, "as many keys as values") }
    try keep(values.count)
    for index in stride(from: 0, to: values.count, by: 2) {
      dictionaries[Int(number)].append((values[index], values[index + 1]))
    }
  }

  // MARK: Objects

  private mutating func pushGlobal(module: String, name: String) throws {
    if let global = PickleGlobal(module: module, name: name) { return try push(.global(global)) }
    let full = "\(module).\(name)"
    if module == "torch._utils" || module == "torch" {
      for (word, kind) in [
        ("sparse", "sparse tensors"), ("qtensor", "quantised tensors"), ("QInt", "quantised tensors"),
      ]
      where name.contains(word) { throw PickleProblem.unsupportedTensor(full, kind: kind) }
      if name == "ComplexDoubleStorage" || name == "complex128" {
        throw PickleProblem.unsupportedTensor(full, kind: "complex numbers of 128 bits")
      }
    }
    if name.first?.isUppercase == true, module.hasPrefix("torch.nn") || module == "__main__" {
      throw PickleProblem.wholeObject(full)
    }
    throw PickleProblem.unknownGlobal(full)
  }

  /// `('storage', torch.FloatStorage, '0', 'cpu', 6)`: which device it was on means nothing.
  private mutating func storage(_ id: PickleValue) throws -> PickleValue {
    guard let parts = tuple(id).map({ Array($0) }), parts.count == 5, text(parts[0]) == "storage",
      case .global(let global) = parts[1], let key = text(parts[2]), text(parts[3]) != nil,
      case .int(let count) = parts[4], count >= 0
    else { throw bad("BINPERSID", "the place of a storage") }
    let dtype: DType?
    switch global {
    case .storageOf(let found): dtype = found
    case .untypedStorage: dtype = nil
    default: throw bad("BINPERSID", "the type of a storage")
    }
    if let number = storageNumbers[key] {
      let known = storages[Int(number)]
      guard known.dtype == dtype, known.count == count else {
        throw bad("BINPERSID", "storage \(quoted(key)) to be what it was before")
      }
      return .storage(number)
    }
    try keep(4)
    storages.append(PickleStorage(key: key, dtype: dtype, count: count))
    storageNumbers[key] = Int32(storages.count - 1)
    return .storage(Int32(storages.count - 1))
  }

  private mutating func reduce() throws {
    let operands = try pop("REDUCE", 2)
    guard case .global(let global) = operands[0], let arguments = tuple(operands[1]).map({ Array($0) }) else {
      throw bad("REDUCE", "a global and its arguments")
    }
    switch global {
    case .orderedDict:
      guard arguments.isEmpty else { throw bad("REDUCE", "collections.OrderedDict without arguments") }
      try push(makeDictionary())
    case .size:
      guard arguments.count == 1, tuple(arguments[0]) != nil else {
        throw bad("REDUCE", "the sizes of torch.Size")
      }
      try push(arguments[0])
    case .rebuildParameter:
      guard arguments.count == 3, case .tensor = arguments[0] else {
        throw bad("REDUCE", "the tensor of a parameter")
      }
      try push(arguments[0])
    case .rebuildTensor, .rebuildTensorWithDType:
      try push(tensor(arguments, hasDType: global == .rebuildTensorWithDType))
    case .storageOf, .untypedStorage, .dtype:
      throw bad("REDUCE", "a function, found a type of PyTorch's")
    }
  }

  /// `storage, offset, size, stride, requires_grad, hooks`, then the dtype where there is one, then metadata.
  private mutating func tensor(_ arguments: [PickleValue], hasDType: Bool) throws -> PickleValue {
    let fields = hasDType ? 7 : 6
    guard arguments.count == fields || arguments.count == fields + 1,
      case .storage(let number) = arguments[0],
      case .int(let offset) = arguments[1], let shape = integers(arguments[2]),
      let strides = integers(arguments[3]),
      shape.count == strides.count, shape.count <= 64, offset >= 0, (shape + strides).allSatisfy({ $0 >= 0 })
    else { throw bad("REDUCE", "storage, offset, sizes and strides of a tensor") }
    var dtype = storages[Int(number)].dtype
    if hasDType {
      guard case .global(.dtype(let found)) = arguments[6] else {
        throw bad("REDUCE", "the dtype of a tensor")
      }
      dtype = found
    }
    guard let dtype else { throw bad("REDUCE", "a storage with a dtype") }
    try keep(8 + 2 * shape.count)
    tensors.append(
      PickleTensor(storage: Int(number), dtype: dtype, offset: offset, shape: shape, strides: strides))
    return .tensor(Int32(tensors.count - 1))
  }

  private func integers(_ value: PickleValue) -> [Int]? {
    guard let values = tuple(value) else { return nil }
    var numbers: [Int] = []
    for value in values {
      guard case .int(let number) = value else { return nil }
      numbers.append(number)
    }
    return numbers
  }

  /// The attributes of an ordered dict, such as `_metadata`, are of no use here.
  private mutating func build() throws {
    let state = try pop("BUILD", 1)[0]
    guard case .dictionary? = stack.last, stack.count > marks.last ?? 0, case .dictionary = state else {
      throw bad("BUILD", "an ordered dict and its attributes")
    }
  }
}
