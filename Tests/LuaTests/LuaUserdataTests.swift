import Lua
import Testing

private final class Box {
  let number: Int
  private let counter: Counter

  init(_ number: Int, _ counter: Counter) {
    self.number = number
    self.counter = counter
    counter.living += 1
  }

  deinit { counter.living -= 1 }
}

private final class Counter {
  var living = 0
  var released: [UInt64: Int] = [:]
}

/// A state with a type `tensor` of handles and a type `model` of objects.
private struct Fixture {
  let lua: LuaState
  let counter = Counter()
  let tensor: LuaHandleType
  let model: LuaObjectType<Box>

  init(limits: LuaLimits = LuaLimits()) throws {
    let lua = LuaState(limits: limits)
    let counter = counter
    self.lua = lua
    // The functions are made before the type that they make and check.
    final class Types {
      var tensor: LuaHandleType!
      var model: LuaObjectType<Box>!
    }
    let types = Types()
    tensor = try lua.makeHandleType(
      LuaTypeDefinition(
        name: "tensor",
        methods: [
          "number": { call in try call.result(Int(call.handle(1, of: types.tensor))) },
          "equals": { call in
            try call.result(call.handle(1, of: types.tensor) == call.handle(2, of: types.tensor))
          },
        ],
        getter: { call in
          let handle = try call.handle(1, of: types.tensor)
          let key = try call.string(2)
          guard key == "double" else {
            throw LuaError("tensor has no field '\(key)' (did you mean 'double'?)")
          }
          return try call.result(Int(handle) * 2)
        },
        metamethods: [
          "__add": { call in
            let sum = try call.handle(1, of: types.tensor) + call.handle(2, of: types.tensor)
            return try call.result(handle: sum, of: types.tensor)
          },
          "__tostring": { call in try call.result("tensor \(call.handle(1, of: types.tensor))") },
        ])
    ) { _, handle in counter.released[handle, default: 0] += 1 }
    types.tensor = tensor
    model = try lua.makeObjectType(
      LuaTypeDefinition(
        name: "model",
        methods: ["number": { call in try call.result(call.object(1, of: types.model).number) }]),
      of: Box.self)
    types.model = model
    let (tensorType, modelType) = (tensor, model)
    try lua.setGlobal(function: "tensor") { call in
      try call.result(handle: UInt64(call.integer(1)), of: tensorType)
    }
    try lua.setGlobal(function: "model") { call in
      try call.result(object: Box(call.integer(1), counter), of: modelType)
    }
  }

  func run(_ text: String) throws -> LuaValue { try lua.run(text, name: "recipe.lua") }
}

@Suite struct LuaUserdataTests {
  @Test func methodsFieldsAndOperators() throws {
    let fixture = try Fixture()
    #expect(try fixture.run("return tensor(7):number()").integer == 7)
    #expect(try fixture.run("return tensor(7).double").integer == 14)
    #expect(try fixture.run("return tostring(tensor(1) + tensor(2))").string == "tensor 3")
    #expect(try fixture.run("local t = tensor(4) return t:equals(t)").boolean == true)
    #expect(try fixture.run("return model(5):number()").integer == 5)
    #expect(try fixture.run("return type(model(5))").string == "userdata")
  }

  @Test(arguments: [
    ("tensor(1).shap()", "tensor has no field 'shap' (did you mean 'double'?)"),
    ("return model(1).shap", "model has no field 'shap'"),
    ("return model(1)[2]", "model has no field '2'"),
    ("tensor(1).x = 2", "cannot set field 'x': a tensor is read-only"),
    ("tensor(1).number(model(1))", "bad argument #1 to 'number' (tensor expected, got model)"),
    ("tensor(1).number(io)", "bad argument #1 to 'number' (tensor expected, got nil)"),
    ("tensor(1).number()", "bad argument #1 to 'number' (tensor expected, got no value)"),
    ("tensor(1).number('x')", "bad argument #1 to 'number' (tensor expected, got string)"),
    ("model(1).number(tensor(1))", "bad argument #1 to 'number' (model expected, got tensor)"),
    ("tensor(1):equals(model(2))", "bad argument #1 to 'equals' (tensor expected, got model)"),
    ("local t = tensor(1) t = t + 1", "bad argument #2 to '__add' (tensor expected, got number)"),
    ("local t = tensor(1) t = t - t", "attempt to perform arithmetic on a tensor value (local 't')"),
  ])
  func misuseIsAnError(script: String, message: String) throws {
    let fixture = try Fixture()
    #expect(luaError { _ = try fixture.run(script) }?.description == "recipe.lua:1: \(message)")
  }

  /// Whoever builds on a type adds its methods later; userdata that are there get them too.
  @Test func methodsAreAddedToAType() throws {
    let fixture = try Fixture()
    _ = try fixture.run("kept = tensor(3)")
    let type = fixture.tensor
    try fixture.lua.addMethods(
      ["half": { call in try call.result(Int(call.handle(1, of: type)) / 2) }], to: type)
    #expect(try fixture.run("return kept:half() + tensor(8):half()").integer == 5)
    #expect(fixture.lua.methodNames(of: type) == ["number", "equals", "half"])
    #expect(
      luaError { _ = try fixture.run("kept.half(model(1))") }?.message
        == "bad argument #1 to 'half' (tensor expected, got model)")
    #expect(luaError { _ = try fixture.run("model(1):half()") }?.message == "model has no field 'half'")
  }

  @Test func metatablesAreProtected() throws {
    let fixture = try Fixture()
    #expect(try fixture.run("return getmetatable(tensor(1))").string == "tensor")
    #expect(luaError { _ = try fixture.run("setmetatable(tensor(1), {})") } != nil)
    let hidden = luaError { _ = try fixture.run("tensor(1).__gc()") }
    #expect(hidden?.message.hasPrefix("tensor has no field '__gc'") == true)
    #expect(luaError { _ = try fixture.run("model(1):__gc()") }?.message == "model has no field '__gc'")
  }

  @Test func everyObjectIsReleasedOnce() throws {
    let fixture = try Fixture()
    _ = try fixture.run("for i = 1, 10000 do tensor(i) model(i) end")
    fixture.lua.collectGarbage()
    #expect(fixture.counter.living == 0)
    #expect(fixture.counter.released.count == 10_000)
    #expect(fixture.counter.released.values.allSatisfy { $0 == 1 })
  }

  @Test func objectsSurviveCollectionsWhileTheyAreReferenced() throws {
    let fixture = try Fixture()
    let sum = try fixture.run(
      """
      kept = {}
      for i = 1, 10000 do kept[i] = { tensor(i), model(i) } end
      collectgarbage() collectgarbage()
      local sum = 0
      for i, pair in ipairs(kept) do sum = sum + pair[1]:number() + pair[2]:number() end
      return sum
      """)
    #expect(sum.integer == 100_010_000)
    #expect(fixture.counter.living == 10_000)
    #expect(fixture.counter.released.isEmpty)
    _ = try fixture.run("for i = 1, 5000 do kept[i] = nil end")
    fixture.lua.collectGarbage()
    #expect(fixture.counter.living == 5000)
    #expect(fixture.counter.released.count == 5000)
    fixture.lua.close()
    #expect(fixture.counter.living == 0)
    #expect(fixture.counter.released.count == 10_000)
    #expect(fixture.counter.released.values.allSatisfy { $0 == 1 })
  }

  @Test func objectsAreReleasedWithTheirState() throws {
    let counter: Counter
    do {
      let fixture = try Fixture()
      counter = fixture.counter
      _ = try fixture.run(
        """
        kept = { model(1), tensor(2), coroutine.wrap(function() local m = model(3) coroutine.yield() end) }
        kept[3]()
        """)
      #expect(counter.living == 2)
    }
    #expect(counter.living == 0)
    #expect(counter.released == [2: 1])
  }

  @Test func releaseAfterALimit() throws {
    let fixture = try Fixture(limits: LuaLimits(memoryBytes: 2 << 20))
    let error = luaError { _ = try fixture.run("t = {} for i = 1, 1e6 do t[i] = model(i) end") }
    #expect(error?.kind == .memoryLimit)
    #expect(fixture.counter.living > 10_000)
    fixture.lua.close()
    #expect(fixture.counter.living == 0)
  }

  @Test func aCollectedObjectInAWeakTableIsNoObject() throws {
    // A weak key is still there when its finaliser has run.
    let fixture = try Fixture()
    let result = try fixture.run(
      """
      local weak = setmetatable({}, { __mode = "k" })
      for i = 1, 100 do weak[tensor(i)] = true weak[model(i)] = true end
      collectgarbage()
      local seen = 0
      for object in next, weak do
        seen = seen + 1
        local ok, message = pcall(function() return object:number() end)
        assert(not ok and message:find "bad self", message)
      end
      return seen
      """)
    #expect(result.integer != nil)
    #expect(fixture.counter.living == 0)
  }

  @Test func handlesAreReadFromTheStack() throws {
    let fixture = try Fixture()
    let lua = fixture.lua
    try lua.push(handle: .max, of: fixture.tensor)
    let box = Box(1, fixture.counter)
    try lua.push(object: box, of: fixture.model)
    try lua.push(1)
    #expect(lua.handle(at: 1, of: fixture.tensor) == .max)
    #expect(lua.object(at: 2, of: fixture.model) === box)
    #expect(lua.handle(at: 2, of: fixture.tensor) == nil)
    #expect(lua.handle(at: 3, of: fixture.tensor) == nil)
    #expect(lua.handle(at: 9, of: fixture.tensor) == nil)
    #expect(lua.object(at: 1, of: fixture.model) == nil)
    #expect(lua.typeName(at: 2) == "model")
  }
}
