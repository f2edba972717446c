import Lua

/// Every part of what scripts see of Swift. To add one, write a class in `Bindings/` and name it here.
var allBindings: [any Binding.Type] {
  [
    LibraryBinding.self,
    TensorBinding.self, CreationBinding.self, CombinationBinding.self, DeferBinding.self,
    LinearAlgebraBinding.self,
    ModelBinding.self, DerivedModelBinding.self, AdapterBinding.self, GGUFBinding.self, InferenceBinding.self,
    VocabularyBinding.self, TokenizerBinding.self,
  ]
}

/// A part of what scripts see of Swift: a type of userdata, methods of other bindings' types, functions of the
/// module `mergekit.core`, and the state behind them.
///
///     final class TraceBinding: Binding {
///       init(in setup: BindingSetup) throws {
///         let tensors = try setup.binding(TensorBinding.self)
///         try setup.lua.addMethods(["trace": { call in … }], to: tensors.type)
///       }
///     }
///
/// Functions hold the binding, and the Lua state holds them until it is closed; so a binding does not hold the
/// state.
protocol Binding: AnyObject {
  /// Makes the binding's type, and adds its methods to those of bindings that it builds on.
  init(in setup: BindingSetup) throws

  /// Functions of `mergekit.core`, by name.
  var functions: [String: LuaFunction] { get }
}

extension Binding {
  var functions: [String: LuaFunction] { [:] }
}

/// Makes the bindings of a Lua state, each once, and first those that others build on.
final class BindingSetup {
  let lua: LuaState
  let context: ScriptContext
  private var made: [ObjectIdentifier: any Binding] = [:]

  init(lua: LuaState, context: ScriptContext) {
    self.lua = lua
    self.context = context
  }

  /// The binding of a type, which is made unless it is there.
  func binding<Wanted: Binding>(_ type: Wanted.Type = Wanted.self) throws -> Wanted {
    if let known = made[ObjectIdentifier(type)] as? Wanted { return known }
    let binding = try Wanted(in: self)
    made[ObjectIdentifier(type)] = binding
    return binding
  }

  /// Pushes the module `mergekit.core`: the functions of these bindings.
  func pushModule(of bindings: [any Binding.Type]) throws {
    try lua.createTable()
    for type in bindings {
      for (name, function) in try binding(type).functions {
        try lua.pushFunction(name, function)
        try lua.setField(name, at: -2)
      }
    }
  }
}
