-- Stands in for Teamtype's plugin where that cannot be installed: the same two calls, and the protocol as its guide
-- for plugins tells it. It keeps the whole text beside the buffer and sends the one place where both differ.
local M = {}
local uv = vim.loop

local configurations = {}
local clients = {}

-- The buffer as one text; a line break at its end is what 'eol' says.
local function text_of(buffer)
  local lines = vim.api.nvim_buf_get_lines(buffer, 0, -1, true)
  local text = table.concat(lines, "\n")
  if vim.bo[buffer].eol and not (#lines == 1 and lines[1] == "" and vim.b[buffer].is_empty) then text = text .. "\n" end
  return text
end

-- Whether a byte goes on with the character before.
local function goes_on(byte) return byte and byte >= 0x80 and byte < 0xc0 end

local function position(text, bytes)
  local line, start = 0, 1
  while true do
    local at = text:find("\n", start, true)
    if not at or at > bytes then break end
    line, start = line + 1, at + 1
  end
  local _, characters = text:sub(start, bytes):gsub("[^\128-\191]", "")
  return { line = line, character = characters }
end

local function offset(text, place)
  local start = 1
  for _ = 1, place.line do
    start = assert(text:find("\n", start, true), "no such line") + 1
  end
  local at = start
  for _ = 1, place.character do
    assert(at <= #text and text:byte(at) ~= 10, "no such character")
    at = at + 1
    while goes_on(text:byte(at)) do at = at + 1 end
  end
  return at - 1
end

-- The one change that makes `new` of `old`.
local function difference(old, new)
  local most = math.min(#old, #new)
  local front = 0
  while front < most and old:byte(front + 1) == new:byte(front + 1) do front = front + 1 end
  while front > 0 and (goes_on(old:byte(front + 1)) or goes_on(new:byte(front + 1))) do front = front - 1 end
  local back = 0
  while back < most - front and old:byte(#old - back) == new:byte(#new - back) do back = back + 1 end
  while back > 0 and (goes_on(old:byte(#old - back + 1)) or goes_on(new:byte(#new - back + 1))) do back = back - 1 end
  local range = { start = position(old, front), ["end"] = position(old, #old - back) }
  return { { range = range, replacement = new:sub(front + 1, #new - back) } }
end

local function patched(text, delta)
  local parts = {}
  for _, change in ipairs(delta) do
    local from, to = offset(text, change.range.start), offset(text, change.range["end"])
    table.insert(parts, { from = from, to = to, insert = change.replacement })
  end
  table.sort(parts, function(a, b) return a.from > b.from or (a.from == b.from and a.to > b.to) end)
  for _, part in ipairs(parts) do text = text:sub(1, part.from) .. part.insert .. text:sub(part.to + 1) end
  return text
end

-- Puts a text into a buffer, and touches only the lines that differ.
local function show(buffer, text)
  vim.bo[buffer].eol = text:sub(-1) == "\n"
  vim.bo[buffer].fixeol = false
  vim.b[buffer].is_empty = text == ""
  if vim.bo[buffer].eol then text = text:sub(1, -2) end
  local new = vim.split(text, "\n", { plain = true })
  local old = vim.api.nvim_buf_get_lines(buffer, 0, -1, true)
  local front, back = 0, 0
  while front < #old and front < #new and old[front + 1] == new[front + 1] do front = front + 1 end
  while back < #old - front and back < #new - front and old[#old - back] == new[#new - back] do back = back + 1 end
  vim.api.nvim_buf_set_lines(buffer, front, #old - back, true, vim.list_slice(new, front + 1, #new - back))
end

local function send(client, message)
  message.jsonrpc = "2.0"
  local body = vim.fn.json_encode(message)
  client.input:write("Content-Length: " .. #body .. "\r\n\r\n" .. body)
end

local function request(client, method, params, done)
  client.id = client.id + 1
  client.waiting[client.id] = done or function() end
  send(client, { id = client.id, method = method, params = params })
end

local function edited(client, file)
  if client.is_applying then return end
  local new = text_of(file.buffer)
  if new == file.text then return end
  local delta = difference(file.text, new)
  file.text, file.own = new, file.own + 1
  request(client, "edit", { uri = file.uri, revision = file.others, delta = delta })
end

local function hear(client, message)
  if message.method == "edit" then
    local file = client.files[message.params.uri]
    if not file or message.params.revision ~= file.own then return end
    file.text = patched(file.text, message.params.delta)
    client.is_applying = true
    show(file.buffer, file.text)
    client.is_applying = false
    file.others = file.others + 1
    assert(text_of(file.buffer) == file.text, "the buffer is not the text")
  elseif message.method == "cursor" then
    M.cursors[message.params.userid] = message.params
  elseif message.id then
    if message.error then table.insert(M.errors, message.error.message) end
    client.waiting[message.id](message.error == nil)
  end
end

local function start(configuration, root)
  local client = { id = 0, waiting = {}, files = {}, input = uv.new_pipe(false), is_applying = false }
  local output, heard = uv.new_pipe(false), ""
  local arguments = vim.list_slice(configuration.cmd, 2)
  assert(uv.spawn(configuration.cmd[1], { args = arguments, cwd = root, stdio = { client.input, output, 2 } }, function() end))
  output:read_start(function(_, bytes)
    heard = heard .. (bytes or "")
    while true do
      local head, behind = heard:find("\r\n\r\n", 1, true)
      local length = head and tonumber(heard:sub(1, head):match("Content%-Length: (%d+)"))
      if not length or #heard < behind + length then return end
      local body = heard:sub(behind + 1, behind + length)
      heard = heard:sub(behind + length + 1)
      vim.schedule(function()
        local good, problem = pcall(hear, client, vim.fn.json_decode(body))
        if not good then table.insert(M.errors, tostring(problem)) end
      end)
    end
  end)
  return client
end

local function open(configuration, buffer, root)
  local path = vim.api.nvim_buf_get_name(buffer)
  clients[root] = clients[root] or start(configuration, root)
  local client = clients[root]
  vim.b[buffer].is_empty = vim.fn.getfsize(path) <= 0
  local file = { uri = vim.uri_from_bufnr(buffer), buffer = buffer, text = text_of(buffer), own = 0, others = 0 }
  request(client, "open", { uri = file.uri, content = file.text }, function(good)
    if not good then return end
    client.files[file.uri] = file
    vim.bo[buffer].autoread = false
    vim.api.nvim_create_autocmd("BufWriteCmd", { buffer = buffer, callback = function() vim.bo[buffer].modified = false end })
    vim.api.nvim_buf_attach(buffer, false, { on_lines = function()
      -- A line that is there again is more than nothing.
      if not client.is_applying then vim.b[buffer].is_empty = false end
      edited(client, file)
    end })
    edited(client, file)
    local function moved()
      local row, column = unpack(vim.api.nvim_win_get_cursor(0))
      local line = vim.api.nvim_buf_get_lines(buffer, row - 1, row, true)[1]
      local place = { line = row - 1, character = position(line, column).character }
      request(client, "cursor", { uri = file.uri, ranges = { { start = place, ["end"] = place } } })
    end
    vim.api.nvim_create_autocmd({ "CursorMoved", "CursorMovedI" }, { buffer = buffer, callback = moved })
    moved()
  end)
  vim.api.nvim_create_autocmd("BufUnload", { buffer = buffer, callback = function()
    client.files[file.uri] = nil
    send(client, { method = "close", params = { uri = file.uri } })
  end })
end

M.cursors, M.errors = {}, {}

function M.config(name, configuration) configurations[name] = configuration end

function M.enable(name)
  vim.api.nvim_create_autocmd({ "BufRead", "BufNewFile" }, { callback = function(event)
    local configuration = configurations[name]
    local function found(root) open(configuration, event.buf, root) end
    if configuration.root_dir then return configuration.root_dir(event.buf, found) end
    local folder = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(event.buf), ":p:h")
    local marker = vim.fn.findfile(configuration.root_markers, folder .. ";")
    if marker ~= "" then found(vim.fn.fnamemodify(marker, ":p:h")) end
  end })
end

return M
