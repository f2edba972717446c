import Basics
import Lua
import Tensors

/// What the Lua half of the API needs of the host: streams, entry points, names, dtypes.
final class LibraryBinding: Binding {
  private let context: ScriptContext

  init(in setup: BindingSetup) throws { context = setup.context }

  var functions: [String: LuaFunction] {
    let context = context
    return [
      "stream": { call in
        let name = try call.string(1)
        let function = try call.function(2)
        return try context.work.withStream(name) {
          let top = call.lua.top
          try call.lua.push(function)
          try call.lua.call(arguments: 0, results: nil)
          return call.lua.top - top
        }
      },
      // Errors of a function made so name the caller's line, also in `return mk.merge{…}`.
      "entry": { call in
        _ = try call.function(1)
        try call.lua.pushCopy(of: 1)
        try call.lua.makeEntryPoint()
        return 1
      },
      "nearest": { call in
        var names: [String] = []
        try call.table(2)
        try call.lua.forEachElement(at: 2) { _ in
          if let name = call.lua.string(at: -1) { names.append(name) }
        }
        return try call.result(nearestName(to: call.string(1), among: names))
      },
      "promote": { call in
        var dtypes: [DType] = []
        try call.table(1)
        try call.lua.forEachElement(at: 1) { _ in
          dtypes.append(try DType.named(call.lua.string(at: -1) ?? ""))
        }
        return try call.result(DType.promoted(dtypes)?.torchName)
      },
      // Whether `require` would find a file of this name.
      "module_exists": { call in try call.result(context.host.moduleExists(call.string(1))) },
      "method_names": { call in try call.result(context.host.methodNames) },
      "is_float": { call in try call.result(call.dtype(1).isArithmetic) },
      // The full name of a dtype that can be computed, for `dtype =` of a merge.
      "dtype_name": { call in
        try call.result(DType.computed(named: call.string(1), operation: "dtype").torchName)
      },
      // Tells how far something is: what, how many steps are done, and of how many.
      "progress": { call in
        let (what, done, count) = (try call.string(1), try call.integer(2), try call.integer(3))
        context.host.report(.computing(what, done: done, of: count))
        return 0
      },
      // Raises an error at the user's own line, whatever library function found it.
      "fail": { call in throw LuaError(try call.diagnostic(1, place: 2)) },
      "warn": { call in
        context.host.warn(try call.diagnostic(1, place: 2))
        return 0
      },
    ]
  }
}
