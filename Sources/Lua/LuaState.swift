import Basics
import CLua
import CLuaBridge

/// A Swift function that Lua calls: reads its arguments from the call, pushes its results, and returns their
/// count.
///
/// What it throws becomes a Lua error, whose text is the diagnostic's sentence with the user's line, and comes out of Lua
/// as it was; a script can catch it unless it is a `LuaError` of a fatal kind.
package typealias LuaFunction = (LuaCall) throws -> Int

/// A Lua state with the libraries of the sandbox, and limits in force.
///
///     let lua = LuaState(limits: LuaLimits(memoryBytes: 16 << 20))
///     try lua.setGlobal(function: "twice") { call in try call.result(2 * call.integer(1)) }
///     try lua.run("return twice(21)", name: "main.lua").integer  // 42
///
/// Confined to one thread. All of its operations work on the coroutine that runs at the time, so a function
/// that Lua called may use them as well as the code outside. Nothing here raises across Swift: errors of Lua
/// are thrown as `LuaError`. The state is closed by `close` or with its last reference; the functions
/// registered in it hold what they capture until then, so they should not hold the state strongly.
package final class LuaState {
  let host: OpaquePointer
  /// The coroutine that runs.
  private(set) var pointer: OpaquePointer
  package let limits: LuaLimits
  /// The flag that stops this state.
  package let interrupt: LuaInterrupt

  var functions: [(name: String, body: LuaFunction)] = []
  /// The types of userdata; the first is none.
  var types = [UserdataType(metatable: 0, methods: 0, methodNames: [], release: { _, _ in })]
  struct UserdataType {
    /// Registry slots of the metatable, and of the table of methods.
    let metatable, methods: Int32
    var methodNames: Set<String>
    /// What to do with a collected userdata's payload.
    let release: (LuaState, UInt64) -> Void
  }

  /// What Swift functions raised of late.
  private(set) var raisedErrors = RaisedErrors()
  private(set) var referenceOwner: LuaReferenceOwner! = nil
  private var output: ((String) -> Void)?
  private var log: (String) -> Void
  private var watchdog: Watchdog?
  private var hangHandler: (@Sendable (WatchdogReason) -> Void)?
  private var stopError: LuaError?
  private(set) var isClosed = false

  /// Makes a state.
  ///
  /// - Parameters:
  ///   - seed: Of `math.random`.
  ///   - interrupt: Stops the state; one may be shared by several.
  ///   - output: Takes the lines of `print`, without line end; `nil` for standard output.
  ///   - log: Takes the texts of `warn`.
  ///   - onHang: Runs on the watchdog's thread; there is no watchdog without it.
  package init(
    limits: LuaLimits = LuaLimits(), seed: Int = 0, interrupt: LuaInterrupt = LuaInterrupt(),
    output: ((String) -> Void)? = nil, log: @escaping (String) -> Void = { _ in },
    onHang: (@Sendable (WatchdogReason) -> Void)? = nil
  ) {
    self.limits = limits
    self.interrupt = interrupt
    self.output = output
    self.log = log
    hangHandler = onHang
    let options = bridge_options(
      memory_bytes: max(0, limits.memoryBytes ?? 0), instructions: UInt64(max(0, limits.instructions ?? 0)),
      random_seed: lua_Integer(seed))
    guard let host = bridge_open(options, Self.callbacks, interrupt.flag) else {
      fatalError("no memory for a Lua state")
    }
    self.host = host
    pointer = bridge_main(host)
    bridge_set_context(host, Unmanaged.passUnretained(self).toOpaque())
    referenceOwner = LuaReferenceOwner(state: self)
  }

  deinit { close() }

  /// Ends the state: every userdata is released, and the functions registered are dropped.
  ///
  /// Not to be called by a function that Lua called. Afterwards the state must not be used; references may.
  package func close() {
    guard !isClosed else { return }
    precondition(!bridge_is_active(host), "a Lua state is closed while it runs")
    isClosed = true
    watchdog?.stop()
    referenceOwner.state = nil
    bridge_close(host)
    functions = []
    types = []
    output = nil
  }

  // MARK: Running scripts

  /// Whose code a chunk is: error messages name the user's lines, not those of the standard library.
  package enum Origin: Sendable {
    case user, standardLibrary
  }

  /// Compiles Lua text, not bytecode, and pushes the function.
  ///
  /// - Parameters:
  ///   - text: May begin with a byte order mark, or a line that begins with `#`.
  ///   - name: The file, as messages are to name it.
  ///
  /// Throws a `LuaError` with file and line.
  package func load(_ text: some Sequence<UInt8>, name: String, origin: Origin = .user) throws {
    try reserve(4)
    // A user's folder may be called stdlib too.
    let prefix = origin == .standardLibrary ? "@stdlib/" : name.hasPrefix("stdlib/") ? "@./" : "@"
    let bytes = Self.withoutFirstLineComment(ArraySlice(text))
    let status = bytes.withUnsafeBytes { buffer in
      bridge_load(
        host, pointer, buffer.assumingMemoryBound(to: CChar.self).baseAddress, buffer.count, prefix + name)
    }
    guard status == LUA_OK else { throw popError(kind: .syntax) }
  }

  /// The release of Lua that is linked.
  package static var release: String { String(cString: clua_release()) }

  /// Pushes the function that a file of the standard library was compiled to, by this release of Lua.
  ///
  /// Lua does not check bytecode, so it must be our own.
  func load(standardLibraryBytecode code: [UInt8], name: String) throws {
    try reserve(4)
    let status = code.withUnsafeBytes { buffer in
      bridge_load_bytecode(
        host, pointer, buffer.assumingMemoryBound(to: CChar.self).baseAddress, buffer.count, "@stdlib/" + name
      )
    }
    guard status == LUA_OK else { throw popError(kind: .syntax) }
  }

  /// Runs Lua text and returns its first result.
  @discardableResult
  package func run(_ text: String, name: String, origin: Origin = .user) throws -> LuaValue {
    try withBalancedStack {
      try load(text.utf8, name: name, origin: origin)
      try call(arguments: 0, results: 1)
      return try value(at: -1)
    }
  }

  /// Calls the function below `arguments` values on top of the stack and replaces all of them by its results.
  ///
  ///     try lua.push(function)
  ///     try lua.push(21)
  ///     try lua.call(arguments: 1, results: 1)
  ///
  /// - Parameter results: Their count, filled up by nil; `nil` for as many as there are.
  ///
  /// Throws a `LuaError`, with the function and its arguments popped.
  package func call(arguments: Int, results: Int?) throws {
    startWatchdog()
    do { try reserve(8 + (results ?? 0)) } catch {
      bridge_pop(pointer, Int32(arguments + 1))
      throw error
    }
    let status = bridge_pcall(host, pointer, Int32(arguments), results.map(Int32.init) ?? LUA_MULTRET)
    guard status == LUA_OK else { throw popError(kind: .runtime) }
  }

  private static func withoutFirstLineComment(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    let text = text.starts(with: [0xEF, 0xBB, 0xBF]) ? text.dropFirst(3) : text
    // The line end stays, for the numbers of the lines below.
    return text.first == UInt8(ascii: "#") ? text.drop { $0 != UInt8(ascii: "\n") } : text
  }

  private func startWatchdog() {
    guard watchdog == nil, hangHandler != nil || limits.seconds != nil else { return }
    watchdog = Watchdog(host: host, interrupt: interrupt, limits: limits, handler: hangHandler)
    hangHandler = nil
  }

  // MARK: Limits

  /// Bytes in use by Lua, and charged by Swift.
  package var memoryInUse: Int { Int(bridge_memory_in_use(host)) }

  /// Counts bytes that Swift holds for the script against its limit.
  ///
  /// If they do not fit, a full collection runs first, and with it the release of userdata; so nothing that a
  /// release touches may be under modification by the caller. Throws the fatal error of the memory limit.
  package func charge(_ bytes: Int) throws {
    guard bridge_charge(host, bytes) else { throw stoppedError() }
  }

  /// Counts bytes no longer.
  package func discharge(_ bytes: Int) { bridge_discharge(host, bytes) }

  /// Throws the fatal error `interrupted` if a stop was requested: for functions that run long.
  package func checkInterrupt() throws {
    guard interrupt.isRequested else { return }
    bridge_stop(host, Int32(bridge_stopped_by_interrupt))
    throw stoppedError()
  }

  /// Runs a full collection.
  package func collectGarbage() { bridge_collect_garbage(host) }

  // MARK: Errors

  /// The line of the innermost call in the user's own files, if there is one.
  package var userPosition: SourceLocation? { SourceLocation(bridge_user_position(host, pointer)) }

  /// The error that stopped the state for good.
  func stoppedError() -> LuaError {
    if let stopError { return stopError }
    let kind: LuaError.Kind =
      switch Int(bridge_stopped(host)) {
      case bridge_stopped_by_memory: .memoryLimit
      case bridge_stopped_by_instructions: .instructionLimit
      default: interrupt.reason == .timeLimit ? .timeLimit : .interrupted
      }
    var error = LuaError(LuaError.message(of: kind, limits: limits), kind: kind)
    error.diagnostic.location = SourceLocation(bridge_stopped_position(host))
    stopError = error
    return error
  }

  /// Pops the error object on top of the stack.
  private func popError(kind: LuaError.Kind) -> LuaError {
    if bridge_stopped(host) != 0 {
      bridge_pop(pointer, 1)
      return stoppedError()
    }
    let traceback = kind == .syntax ? nil : bridge_error_traceback(host).map { String(cString: $0) }
    let raisedAt = kind == .syntax ? userPosition : SourceLocation(bridge_error_position(host))
    var error: LuaError
    if let raised = raisedError(at: -1) {
      error = raised
      bridge_pop(pointer, 1)
      if let traceback { error.traceback = traceback }
      return error
    }
    let number = integer(at: -1).map { "\($0)" } ?? number(at: -1).map { "\($0)" }
    if let text = string(at: -1) {
      error = LuaError(located(text, raisedAt), kind: kind)
      bridge_pop(pointer, 1)
    } else if let number {
      error = LuaError(Diagnostic(.foreign(number)), kind: kind)
      bridge_pop(pointer, 1)
    } else {
      let value = popReference()
      error = LuaError(Diagnostic(.foreign(describe(value))).at(raisedAt), kind: kind)
      error.value = value
    }
    error.raisedAt = raisedAt
    error.traceback = traceback
    return error
  }

  /// The error's text on top of the stack with the position that Lua began it with, that of the user's call if it is
  /// in the standard library.
  private func located(_ text: String, _ user: SourceLocation?) -> Diagnostic {
    var position = bridge_position()
    var isLibrary = false
    let prefix = bridge_error_prefix(host, pointer, &position, &isLibrary)
    let words = withBytes(at: -1) { String(decoding: $0.dropFirst(prefix), as: UTF8.self) } ?? text
    let diagnostic = Diagnostic(.foreign(words))
    guard prefix > 0, let location = SourceLocation(position) else { return diagnostic }
    guard isLibrary, let user else { return diagnostic.at(location) }
    return diagnostic.at(user).noting("\(location)")
  }

  /// The words of an error object that is no text.
  private func describe(_ value: LuaReference) -> String {
    do {
      return try withBalancedStack {
        try reserve(1)
        bridge_push_describe(pointer)
        try push(value)
        // Its own errors are not described in turn: an object may raise itself.
        guard bridge_pcall(host, pointer, 1, 1) == LUA_OK else {
          return "error object whose __tostring failed" + (string(at: -1).map { ": \($0)" } ?? "")
        }
        return string(at: -1) ?? "error object is not a string"
      }
    } catch {
      return "error object whose __tostring failed"
    }
  }
}

// MARK: - Called by the bridge

extension LuaState {
  private static var callbacks: bridge_callbacks {
    bridge_callbacks(
      context: nil,
      dispatch: { context, coroutine, function in
        Unmanaged<LuaState>.fromOpaque(context!).takeUnretainedValue().running(coroutine!) {
          $0.dispatch(Int(function))
        }
      },
      release: { context, type, payload in
        let lua = Unmanaged<LuaState>.fromOpaque(context!).takeUnretainedValue()
        lua.types[Int(type)].release(lua, payload)
      },
      output: { context, coroutine, channel, text, length in
        Unmanaged<LuaState>.fromOpaque(context!).takeUnretainedValue().running(coroutine!) {
          $0.write(UnsafeRawBufferPointer(start: text, count: length), to: Int(channel))
        }
      })
  }

  /// Runs what a coroutine called.
  private func running<Result>(_ coroutine: OpaquePointer, _ body: (LuaState) -> Result) -> Result {
    let outer = pointer
    pointer = coroutine
    defer { pointer = outer }
    return body(self)
  }

  /// Runs a function; returns the count of its results, or -1 with the error object on top of the stack.
  private func dispatch(_ index: Int) -> Int32 {
    let call = LuaCall(lua: self, index: index)
    do {
      return Int32(try functions[index].body(call))
    } catch {
      pushError(error)
      return -1
    }
  }

  private func pushError(_ error: any Error) {
    lua_settop(pointer, 0)
    var error = error as? LuaError ?? LuaError(raised: error)
    guard !error.kind.isFatal else {
      if bridge_stopped(host) == 0 { bridge_stop(host, Int32(error.kind.stopReason)) }
      return lua_pushnil(pointer)  // the bridge raises its own object
    }
    // The stack where the error was raised says more than the one here.
    if let traceback = error.traceback {
      bridge_keep_traceback(host, traceback, bridge_position(error.diagnostic.location))
    }
    if let value = error.value, (try? push(value)) != nil { return }
    error.diagnostic = error.diagnostic.at(error.raisedAt ?? userPosition)
    // The trampoline made room.
    if (try? push(raisedErrors.add(error))) == nil { lua_pushnil(pointer) }
  }

  private func write(_ text: UnsafeRawBufferPointer, to channel: Int) {
    if channel == bridge_output_warning {
      log(String(decoding: text, as: UTF8.self))
    } else if let output {
      output(String(decoding: text, as: UTF8.self))
    } else {
      bridge_print_line(text.baseAddress, text.count)
    }
  }
}

extension LuaError.Kind {
  fileprivate var stopReason: Int {
    switch self {
    case .memoryLimit: bridge_stopped_by_memory
    case .instructionLimit: bridge_stopped_by_instructions
    case .interrupted, .timeLimit: bridge_stopped_by_interrupt
    case .syntax, .runtime: bridge_not_stopped
    }
  }
}
