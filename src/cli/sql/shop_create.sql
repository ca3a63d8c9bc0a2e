-- Tables of the workload "shop": every type that Tarn carries exactly, a composite key, values long enough for TOAST.
DO $$ BEGIN
    CREATE TYPE order_status AS ENUM ('new', 'paid', 'packed', 'shipped', 'delivered', 'returned');
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE IF NOT EXISTS customers (
    id uuid PRIMARY KEY, name text NOT NULL, email varchar(120), country char(2), vip boolean NOT NULL, tags text[], profile jsonb,
    signed_up timestamptz NOT NULL, birthday date);
CREATE TABLE IF NOT EXISTS products (
    id integer PRIMARY KEY, sku varchar(24) NOT NULL, label name, grade "char", name text, price numeric(10,2) NOT NULL, weight real,
    rating double precision, stock integer NOT NULL, image bytea, spec json, sizes smallint[], added timestamp NOT NULL);
CREATE TABLE IF NOT EXISTS orders (
    id bigint PRIMARY KEY, customer uuid NOT NULL, status order_status NOT NULL, history order_status[], placed timestamptz NOT NULL,
    deliver_at time, total numeric(24,2) NOT NULL, gift boolean, note text);
CREATE TABLE IF NOT EXISTS order_items (
    order_id bigint NOT NULL, line smallint NOT NULL, product integer NOT NULL, quantity integer NOT NULL, price numeric(10,2) NOT NULL,
    discount real, PRIMARY KEY (order_id, line));
